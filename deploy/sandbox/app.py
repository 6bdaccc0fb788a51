"""The sandbox as one ASGI application: several shops, one clock, one sender of webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route, Router

from deploy.sandbox.api import ADMIN, OMNI, ApiMiddleware, Endpoint, subscription
from deploy.sandbox.clock import Clock
from deploy.sandbox.control import Control
from deploy.sandbox.handle import ShopHandle
from deploy.sandbox.records import Dialect
from deploy.sandbox.registry import ShopRegistry
from deploy.sandbox.shop import Shop, persistence
from deploy.sandbox.webhooks import WebhookSession


class Sandbox:
    """A simulated Haravan. `app` is the ASGI application; webhooks are sent while `running()` is entered.

    `clock` is a `Clock`, any function that returns seconds, or None for the machine's time.
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
        self._session = WebhookSession()
        self.registry = ShopRegistry(
            clock=self.clock,
            session=self._session,
            echo=echo,
            shop_endpoint=shop_endpoint,
            bucket_size=bucket_size,
            leak_per_s=leak_per_s,
        )
        self.clock.on_advance(self._session.wake)
        self.app = Starlette(
            routes=self._routes(), exception_handlers={HTTPException: _not_served, Exception: _failed}
        )
        self.app.router.redirect_slashes = False

    @property
    def handles(self) -> dict[str, ShopHandle]:
        """The shops, by org id."""
        return self.registry.handles

    def add_shop(self, **options: Any) -> ShopHandle:
        """Open a shop. `ShopRegistry.add_shop` lists the options. Raises ValueError."""
        return self.registry.add_shop(**options)

    def advance(self, seconds: float) -> None:
        """Move the sandbox's time forward at once. What fell due meanwhile is sent now, a retry once."""
        self.clock.advance(seconds)

    async def play(self, seconds: float) -> None:
        """Move the sandbox's time forward, and send every webhook and retry that falls due meanwhile, in order.

        Only while the sandbox is served.
        """
        await self.registry.play(seconds)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Send webhooks inside this block."""
        return self._session.open()

    def save(self, path: Path) -> None:
        """Write all shops to the file, atomically."""
        persistence.save(path, self._shops(), self.clock)

    def load(self, path: Path) -> None:
        """Open the shops in the file, if it exists. Raises msgspec.DecodeError if it is not a state file."""
        state = persistence.load(path)
        if state is None:
            return
        self.clock.ahead_s = state.ahead_s
        for saved in state.shops:
            handle = self.add_shop(
                org=saved.org,
                token=saved.token,
                secret=saved.secret,
                scopes=saved.scopes,
                timezone=saved.timezone,
                currency=saved.currency,
                name=saved.name,
            )
            saved.restore(handle.shop)

    def autosave(self, path: Path, *, every_s: float = 5.0) -> AbstractAsyncContextManager[None]:
        """Inside this block, save all shops at intervals, and at the end."""
        return persistence.autosave(path, self._shops, self.clock, every_s=every_s)

    def _shops(self) -> list[Shop]:
        return [handle.shop for handle in self.handles.values()]

    def _routes(self) -> list[BaseRoute]:
        control = Control(self.registry).routes()
        return [
            _mount("/com", self._api(OMNI, "omni")),
            _mount("/admin", self._api(ADMIN, "admin")),
            _mount("/api", self._api(subscription.endpoints(self._session), "webhook")),
            _mount("/_sandbox", control),
            Route("/_sandbox", control[0].endpoint),
        ]

    def _api(self, endpoints: Iterable[Endpoint], dialect: Dialect) -> list[BaseRoute]:
        return [
            Route(endpoint.path, ApiMiddleware(self.registry, endpoint, dialect), methods=[endpoint.method])
            for endpoint in endpoints
        ]


def _mount(path: str, routes: Sequence[BaseRoute]) -> Mount:
    """A path with a slash too many is not redirected: a redirection could change the method."""
    return Mount(path, app=Router(routes, redirect_slashes=False))


async def _not_served(request: Request, exc: Exception) -> JSONResponse:
    """404 and 405 of a path that no endpoint serves, in the words of the API that it belongs to."""
    status = exc.status_code if isinstance(exc, HTTPException) else 404
    headers = exc.headers if isinstance(exc, HTTPException) else None
    path = request.url.path
    if path.startswith(("/com/", "/admin/", "/api/")):
        content = {"errors": "Not Found" if status == 404 else "Method Not Allowed"}
    else:
        served = "the Omni API at /com, the older API at /admin, webhooks at /api/subscribe, the control API at /_sandbox/"
        content = {"error": f"nothing answers {request.method} {path[:200]}. There are {served}"}
    return JSONResponse(content, status, headers)


async def _failed(request: Request, exc: Exception) -> JSONResponse:
    """A bug of the sandbox. Its traceback is on the terminal, not in the response."""
    del request, exc
    return JSONResponse({"error": "the sandbox failed; its terminal says how"}, 500)
