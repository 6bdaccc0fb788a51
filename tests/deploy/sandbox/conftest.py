"""A sandbox on a real port with a frozen clock, a client of its API, and a receiver of its webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from deploy.sandbox import Clock, Sandbox, ShopHandle, serve


@dataclass
class ApiResponse:
    """One response of the API."""

    status: int
    text: str
    headers: Mapping[str, str]
    json: Any


class Api:
    """A caller of the sandbox with the shop's token."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> ApiResponse:
        options = {"headers": {"Authorization": "Bearer token-1"} | options.pop("headers", {})} | options
        async with self.session.request(method, self.url + path, json=body, **options) as http_response:
            text = await http_response.text()
            content = await http_response.json() if http_response.content_type == "application/json" else None
            return ApiResponse(http_response.status, text, http_response.headers, content)

    async def ids(self, path: str) -> list[int]:
        response = await self("GET", path)
        return [customer["id"] for customer in response.json["customers"]]


@dataclass
class ReceivedDelivery:
    """One delivery as the app received it."""

    topic: str
    org: str
    signature: str | None
    body: bytes
    headers: dict[str, str]


@dataclass
class Receiver:
    """An app's webhook address. `statuses` are answered in turn, then 200; `challenge=False` fails handshakes."""

    url: str = ""
    received: list[ReceivedDelivery] = field(default_factory=list)
    handshakes: list[dict[str, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    always: int = 200
    challenge: bool = True

    async def post(self, request: web.Request) -> web.Response:
        headers = request.headers
        self.received.append(
            ReceivedDelivery(
                headers["X-Haravan-Topic"],
                headers["X-Haravan-Org-Id"],
                headers.get("X-Haravan-HmacSha256"),
                await request.read(),
                dict(headers),
            )
        )
        return web.Response(status=self.statuses.pop(0) if self.statuses else self.always)

    async def get(self, request: web.Request) -> web.Response:
        self.handshakes.append(dict(request.query))
        return web.Response(text=request.query["hub.challenge"] if self.challenge else "no")

    @property
    def topics(self) -> list[str]:
        return [delivery.topic for delivery in self.received]


@pytest.fixture
def clock() -> Clock:
    return Clock.frozen("2025-06-02T02:00:00+00:00")


@pytest.fixture
def sandbox(clock: Clock) -> Sandbox:
    return Sandbox(clock=clock)


@pytest.fixture
def shop(sandbox: Sandbox) -> ShopHandle:
    shop = sandbox.add_shop()
    shop.deliveries.timeout_s = 60  # a busy machine must not look like a receiver that does not answer
    return shop


@pytest.fixture
async def api(sandbox: Sandbox, shop: ShopHandle) -> AsyncIterator[Api]:
    async with serve(sandbox) as url, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Api(session, url)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.post)
    app.router.add_get("/hook", receiver.get)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    yield receiver
    await runner.cleanup()
