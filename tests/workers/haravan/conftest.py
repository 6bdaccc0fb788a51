"""A sandbox shop on a real port, and our client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from deploy.sandbox import Clock, Sandbox, ShopHandle, serve
from service.domain.customers.customer import OrgId
from service.store.queue.rate_limiter import Permit
from workers.haravan.calls import Request
from workers.haravan.client import Haravan, open_session
from workers.haravan.dialects import DialectName

ORG = OrgId("1000000001")
SettledPermit = tuple[str, int | None, int | None, int | None, float | None]
Connect = Callable[..., Haravan]
Handler = Callable[[web.Request, bytes], web.StreamResponse]
FakeServer = Callable[[Handler], Haravan]


@dataclass
class RecordingPermits:
    """Grants every permit, and records the requests and the settlements."""

    requests: list[Request] = field(default_factory=list)
    settled: list[SettledPermit] = field(default_factory=list)

    async def acquire(self, request: Request) -> Permit:
        self.requests.append(request)
        return Permit(request.endpoint)

    async def settle(
        self,
        permit: Permit,
        *,
        status: int | None,
        used: int | None,
        size: int | None,
        retry_after_s: float | None,
    ) -> None:
        self.settled.append((permit, status, used, size, retry_after_s))

    @property
    def endpoints(self) -> list[str]:
        return [request.endpoint for request in self.requests]


@pytest.fixture
def permits() -> RecordingPermits:
    return RecordingPermits()


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(clock=Clock.frozen())  # the rate limit of 80 calls does not refill


@pytest.fixture
def shop(sandbox: Sandbox) -> ShopHandle:
    return sandbox.add_shop(org=ORG)


@pytest.fixture
async def url(sandbox: Sandbox, shop: ShopHandle) -> AsyncIterator[str]:
    del shop  # it must exist before the sandbox is served
    async with serve(sandbox) as address:
        yield address


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened


@pytest.fixture
def connect(session: aiohttp.ClientSession, shop: ShopHandle, url: str) -> Connect:
    """A client of the sandbox's shop, in either dialect."""

    def made(
        dialect: DialectName = "omni", *, token: str = shop.token, at: str = url, **options: Any
    ) -> Haravan:
        path = {"omni": "/com", "admin": "/admin"}[dialect]
        return Haravan(session, org=ORG, dialect=dialect, address=at + path, token=token, **options)

    return made


@pytest.fixture
def omni(connect: Connect) -> Haravan:
    return connect("omni")


@pytest.fixture
def admin(connect: Connect) -> Haravan:
    return connect("admin")


@pytest.fixture
async def fake_server(session: aiohttp.ClientSession) -> AsyncIterator[FakeServer]:
    """A client of a server that answers every request by the given function."""
    handlers: list[Handler] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        return handlers[-1](request, await request.read())

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]

    def made(handler: Handler) -> Haravan:
        handlers.append(handler)
        return Haravan(
            session, org=ORG, dialect="omni", address=f"http://127.0.0.1:{port}/com", token="token-1"
        )

    yield made
    await runner.cleanup()
