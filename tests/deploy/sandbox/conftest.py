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
class Said:
    """One answer of the API."""

    status: int
    text: str
    headers: Mapping[str, str]
    json: Any


class Api:
    """A caller of the sandbox with the shop's token."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Said:
        options = {"headers": {"Authorization": "Bearer token-1"} | options.pop("headers", {})} | options
        async with self.session.request(method, self.url + path, json=body, **options) as answer:
            text = await answer.text()
            known = await answer.json() if answer.content_type == "application/json" else None
            return Said(answer.status, text, answer.headers, known)

    async def ids(self, path: str) -> list[int]:
        said = await self("GET", path)
        return [customer["id"] for customer in said.json["customers"]]


@dataclass
class Got:
    """One delivery as it arrived."""

    topic: str
    org: str
    signature: str | None
    body: bytes
    headers: dict[str, str]


@dataclass
class Receiver:
    """An app's webhook address. `statuses` are answered in turn, then 200; `challenge=False` fails handshakes."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    always: int = 200
    challenge: bool = True

    async def post(self, request: web.Request) -> web.Response:
        headers = request.headers
        self.got.append(
            Got(
                headers["X-Haravan-Topic"],
                headers["X-Haravan-Org-Id"],
                headers.get("X-Haravan-HmacSha256"),
                await request.read(),
                dict(headers),
            )
        )
        return web.Response(status=self.statuses.pop(0) if self.statuses else self.always)

    async def get(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        return web.Response(text=request.query["hub.challenge"] if self.challenge else "no")

    @property
    def topics(self) -> list[str]:
        return [one.topic for one in self.got]


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
    here = Receiver()
    app = web.Application()
    app.router.add_post("/hook", here.post)
    app.router.add_get("/hook", here.get)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    here.url = f"http://{host}:{port}/hook"
    yield here
    await runner.cleanup()
