"""The web process in variants: ours, without the write, without traces, with traces, and the usual first version."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import uvicorn
from arq.connections import RedisSettings, create_pool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import service.app as root
from service import __main__ as ours
from service.domain.customers.customer import OrgId
from service.ingest import GroupCommit
from service.ingest.batch import Acknowledgement
from service.runtime.log import configure_logging
from service.runtime.tracing import use_provider
from service.settings import read_settings
from service.store.queue.dirty import DirtyEvent
from service.web.webhooks import endpoint


class UnwrittenCommit(GroupCommit):
    """Everything except the write: every event is acknowledged immediately."""

    def submit(self, org: OrgId, event: DirtyEvent, *, topic: str = "") -> Acknowledgement:
        acknowledgement: Acknowledgement = asyncio.get_running_loop().create_future()
        acknowledgement.set_result(None)
        return acknowledgement


def plain() -> uvicorn.Config:
    """A route that checks the signature and enqueues one arq job."""
    secret = os.environ["HARAVAN_WEBHOOK_SECRETS"].encode()

    async def webhook(request: Request) -> Response:
        body = await request.body()
        expected = base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest())
        if not hmac.compare_digest(expected, request.headers["x-haravan-hmacsha256"].encode()):
            return Response(status_code=401)
        customer = json.loads(body)["id"]
        await request.app.state.arq.enqueue_job("customer", customer, _job_id=uuid.uuid4().hex)
        return Response("ok")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.arq = await create_pool(RedisSettings.from_dsn(os.environ["REDIS_URL"]))
        yield

    app = Starlette(routes=[Route("/webhooks/haravan", webhook, methods=["POST"])], lifespan=lifespan)
    return uvicorn.Config(
        app, port=int(os.environ["PORT"]), loop="uvloop", http="httptools", access_log=False
    )


def trace_everything() -> None:
    """Make a span for each webhook, and throw it away instead of sending it."""
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Discarded(SpanExporter):
        def export(self, _: Sequence[ReadableSpan]) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Discarded()))
    use_provider(provider)


def main(variant: str) -> None:
    """Serve one variant until a signal stops it."""
    if variant == "plain":
        uvicorn.Server(plain()).run()
        return
    if variant == "unwritten":
        vars(root)["GroupCommit"] = UnwrittenCommit
    if variant == "bare":
        vars(endpoint)["current_traceparent"] = str
    if variant == "traced":
        trace_everything()
    settings = read_settings()
    configure_logging(settings.log_format)
    ours.Server(ours.uvicorn_config(settings)).run()


if __name__ == "__main__":
    main(sys.argv[1])
