"""Odd answers of Haravan's API, by endpoint: what the client makes of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

from aiohttp import web

from service.domain.customers import CustomerId, OrgId
from service.errors import HaravanError
from service.store.queue import Permit
from tests.hostile.edge import milliseconds_since
from tests.hostile.verdict import Verdict
from workers.haravan import Call, Haravan, open_session

TABLE: Final = "API answers"
GOOD: Final = b'{"customer": {"id": 7, "tags": "VIP"}}'


@dataclass(frozen=True, slots=True)
class Row:
    """One answer to a call of `endpoint`. `expected` is what the call returns in short, or its exception."""

    name: str
    endpoint: str
    body: bytes
    expected: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


ROWS: Final = (
    Row("a good customer", "get", GOOD, "customer 7"),
    Row("HTML with a 200", "get", b"<html>maintenance</html>", "ApiUnavailable"),
    Row("an empty body with a 200", "get", b"", "ApiUnavailable"),
    Row("a 422 with a text of 8 KB", "get", b'{"errors": "' + b"a!" * 4_000 + b'"}', "RequestRejected", 422),
    Row(
        "a list in which one customer is no object",
        "batch",
        b'{"customers": [7, {"id": 8}]}',
        "1 read, 1 unreadable",
    ),
)


class Api:
    """The real client of a server that gives the row's answer."""

    def __init__(self, client: Haravan, answer: list[web.Response]) -> None:
        self._client = client
        self._answer = answer

    async def call(self, row: Row) -> str:
        """What the client makes of the answer."""
        self._answer[:] = [web.Response(status=row.status, body=row.body, headers=dict(row.headers))]
        dialect = self._client.dialect
        calls: dict[str, Call[Any]] = {
            "get": dialect.get(CustomerId(7)),
            "batch": dialect.by_ids([CustomerId(7), CustomerId(8)]),
        }
        try:
            result = await self._client.perform(calls[row.endpoint], AllPermits())
        except HaravanError as exc:
            return type(exc).__name__
        if row.endpoint == "get":
            return f"customer {result.customer.id}"
        return f"{len(result.records)} read, {len(result.unreadable)} unreadable"


class AllPermits:
    """Grants every call."""

    async def acquire(self, request: object) -> Permit:
        """A permit."""
        return Permit("a")

    async def settle(self, permit: Permit, **_: object) -> None:
        """Nothing is counted."""


@asynccontextmanager
async def running_api() -> AsyncIterator[Api]:
    """The server and the client."""
    answer: list[web.Response] = []

    async def respond(_: web.Request) -> web.Response:
        return answer.pop()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/com"
    try:
        async with open_session() as session:
            org = OrgId("1000000001")
            yield Api(Haravan(session, org=org, dialect="omni", address=address, token="token-1"), answer)
    finally:
        await runner.cleanup()


async def run(api: Api, row: Row) -> Verdict:
    """Make the call, then one with a good answer over the same client."""
    started_s = perf_counter()
    got = await api.call(row)
    took_ms = milliseconds_since(started_s)
    after = await api.call(ROWS[0])
    harmed = () if after == ROWS[0].expected else (f"the next call ({after})",)
    return Verdict(TABLE, row.name, row.expected, got, harmed, took_ms)
