"""The access log has one line for each request, and one a second for the refusals of unknown clients."""

from __future__ import annotations

import httpx2
import pytest
import structlog
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from service.web.access_log import AccessLogMiddleware


async def respond(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the status that the path names. The path of a known client begins with its name."""
    name, status = scope["path"].strip("/").split("/")
    if name != "unknown":
        structlog.contextvars.bind_contextvars(by=name)
    await send({"type": "http.response.start", "status": int(status)})
    await send({"type": "http.response.body"})


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/unknown/401", 2),
        ("/unknown/404", 2),
        ("/unknown/200", 4),
        ("/unknown/503", 4),
        ("/an-owner/404", 4),
    ],
)
async def test_refusals_of_unknown_clients_are_one_line_a_second(path: str, lines: int) -> None:
    times = iter([0.0, 0.5, 0.9, 1.1])
    app = AccessLogMiddleware(respond, clock=lambda: next(times))
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://x")

    with capture_logs() as logged:
        for _ in range(4):
            await client.get(path)

    assert len(logged) == lines
    assert logged[-1].get("skipped") == (2 if lines == 2 else None)


async def test_each_status_has_its_own_line() -> None:
    client = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(AccessLogMiddleware(respond, clock=lambda: 0.0)), base_url="http://x"
    )

    with capture_logs() as logged:
        for status in (401, 404, 401, 404):
            await client.get(f"/unknown/{status}")

    assert [line["status"] for line in logged] == [401, 404]
