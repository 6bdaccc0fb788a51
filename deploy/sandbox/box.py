"""The whole box: several shops behind one ASGI application, one clock, one set of webhook senders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from random import Random

import aiohttp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route

from . import subscription
from .bucket import Bucket
from .calls import Calls
from .clock import Clock
from .control import Control
from .endpoints import ADMIN, OMNI, Endpoint
from .gate import Gate
from .handle import ShopHandle
from .intake import Dialect
from .shop import SCOPES, Shop


class Sandbox:
    """Haravan in a box. `app` is the ASGI application; webhooks flow while `running()` is entered.

    `clock` is a `Clock`, any function that gives seconds, or None for the machine's own time.
    """

    def __init__(
        self,
        *,
        clock: Clock | Callable[[], float] | None = None,
        echo: bool = True,
        bucket_size: int = 80,
        leak_per_s: float = 4.0,
        shop_endpoint: bool = True,
    ) -> None:
        self.clock = clock if isinstance(clock, Clock) else Clock(clock) if clock else Clock()
        self.handles: dict[str, ShopHandle] = {}
        self.unauthorized = Calls()  # calls whose token opens no shop
        self._by_token: dict[str, Shop] = {}
        self._echo = echo
        self._bucket = (bucket_size, leak_per_s)
        self._shop_endpoint = shop_endpoint
        self._session: aiohttp.ClientSession | None = None
        self._senders: list[asyncio.Task[None]] = []
        self.clock.on_advance(self._wake)
        self.app = Starlette(routes=self._routes())

    @property
    def session(self) -> aiohttp.ClientSession:
        """The client of all deliveries and handshakes. Raises RuntimeError while nothing is running."""
        if self._session is None:
            raise RuntimeError("webhooks are sent only while the sandbox is served")
        return self._session

    def add_shop(
        self,
        *,
        org: str = "1000000001",
        token: str = "token-1",  # noqa: S107 - a made-up shop's token
        secret: str = "secret-1",  # noqa: S107
        scopes: Iterable[str] = SCOPES,
        timezone: str = "Asia/Ho_Chi_Minh",
        currency: str = "VND",
        name: str = "",
        seed: int = 0,
    ) -> ShopHandle:
        """Open a shop. Its token selects it: the Omni API has no shop in its paths. Raises ValueError if taken."""
        if org in self.handles or any(token == handle.token for handle in self.handles.values()):
            raise ValueError(f"org {org} or its token is taken")
        shop = Shop(
            org,
            token,
            secret,
            self.clock,
            scopes=tuple(scopes),
            timezone=timezone,
            currency=currency,
            name=name,
            echo=self._echo,
            shop_endpoint=self._shop_endpoint,
            bucket=Bucket(self._bucket[0], self._bucket[1]),
            rng=Random(seed),
        )
        return self.take_in(shop)

    def take_in(self, shop: Shop) -> ShopHandle:
        """Open a shop that exists already, as one read from a file."""
        handle = self.handles[shop.org] = ShopHandle(self, shop)
        if self._session is not None:
            self._start(shop)
        return handle

    def shop_of(self, request: Request) -> Shop | None:
        """The shop that the request's Bearer token opens; a shop's own host must fit the token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        shop = self._opened_by(token.strip())
        host = request.headers.get("host", "").partition(":")[0]
        return None if shop and host.endswith(".myharavan.com") and host != shop.domain else shop

    def _opened_by(self, token: str) -> Shop | None:
        shop = self._by_token.get(token)
        if shop is None or shop.token != token:
            self._by_token = {handle.token: handle.shop for handle in self.handles.values() if handle.token}
            shop = self._by_token.get(token)
        return shop

    def advance(self, seconds: float) -> None:
        """Move the sandbox's time forward."""
        self.clock.advance(seconds)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send webhooks while inside."""
        connector = aiohttp.TCPConnector(limit=0)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
            self._session = session
            for handle in self.handles.values():
                self._start(handle.shop)
            try:
                yield
            finally:
                self._session = None
                for sender in self._senders:
                    sender.cancel()
                await asyncio.gather(*self._senders, return_exceptions=True)
                self._senders.clear()

    def _start(self, shop: Shop) -> None:
        self._senders.append(shop.deliveries.start(self.session))

    def _wake(self) -> None:
        for handle in self.handles.values():
            handle.deliveries.wake()

    def _routes(self) -> list[BaseRoute]:
        return [
            Mount("/com", routes=self._api(OMNI, "omni")),
            Mount("/admin", routes=self._api(ADMIN, "admin")),
            Mount("/api", routes=self._api(subscription.endpoints(self), "webhook")),
            Mount("/_sandbox", routes=Control(self).routes()),
        ]

    def _api(self, endpoints: Iterable[Endpoint], dialect: Dialect) -> list[BaseRoute]:
        return [Route(one.path, Gate(self, one, dialect), methods=[one.method]) for one in endpoints]
