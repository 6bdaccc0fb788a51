"""The sandbox as one ASGI application: several shops, one clock, one sender of webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route

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
        self.app = Starlette(routes=self._routes())

    @property
    def handles(self) -> dict[str, ShopHandle]:
        """The shops, by org id."""
        return self.registry.handles

    def add_shop(self, **options: Any) -> ShopHandle:
        """Open a shop. `ShopRegistry.add_shop` lists the options. Raises ValueError."""
        return self.registry.add_shop(**options)

    def advance(self, seconds: float) -> None:
        """Move the sandbox's time forward."""
        self.clock.advance(seconds)

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
        return [
            Mount("/com", routes=self._api(OMNI, "omni")),
            Mount("/admin", routes=self._api(ADMIN, "admin")),
            Mount("/api", routes=self._api(subscription.endpoints(self._session), "webhook")),
            Mount("/_sandbox", routes=Control(self.registry).routes()),
        ]

    def _api(self, endpoints: Iterable[Endpoint], dialect: Dialect) -> list[BaseRoute]:
        return [
            Route(endpoint.path, ApiMiddleware(self.registry, endpoint, dialect), methods=[endpoint.method])
            for endpoint in endpoints
        ]
