"""The shops of one sandbox: found by org id, and by the Bearer token of a request."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from zoneinfo import ZoneInfo

from starlette.requests import Request

from deploy.sandbox.call_log import Calls
from deploy.sandbox.clock import Clock
from deploy.sandbox.errors import Refused
from deploy.sandbox.handle import ShopHandle
from deploy.sandbox.shop import SCOPES, Bucket, Shop
from deploy.sandbox.webhooks import WebhookSession


class ShopRegistry:
    """Opens shops and finds them again. `unauthorized` counts the calls whose token belongs to no shop."""

    def __init__(
        self,
        *,
        clock: Clock,
        session: WebhookSession,
        echo: bool,
        shop_endpoint: bool,
        bucket_size: int,
        leak_per_s: float,
    ) -> None:
        self.clock = clock
        self.session = session
        self.handles: dict[str, ShopHandle] = {}
        self.unauthorized = Calls()
        self._by_token: dict[str, Shop] = {}
        self._echo = echo
        self._shop_endpoint = shop_endpoint
        self._bucket_size = bucket_size
        self._leak_per_s = leak_per_s

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
        """Open a shop. Raises Refused if another shop has the org id or the token, or for an unknown time zone.

        The token selects the shop, because the paths of the Omni API do not name one.
        """
        if org in self.handles or any(token == handle.token for handle in self.handles.values()):
            raise Refused(f"org {org} or its token is taken by another shop: give org and token")
        try:
            ZoneInfo(timezone)
        except (KeyError, ValueError, OSError) as exc:  # a name that is a path, or a folder
            raise Refused(f"no time zone {timezone}; write it as in Asia/Ho_Chi_Minh") from exc
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
            bucket=Bucket(self._bucket_size, self._leak_per_s),
            rng=Random(seed),
        )
        handle = self.handles[org] = ShopHandle(shop, self.session)
        self.session.add(shop)
        return handle

    async def play(self, seconds: float) -> None:
        """Move the clock forward, and send all webhooks and retries that fall due meanwhile, in order.

        Each is answered before the clock moves on. Deliveries held back by `pause` stay where they are.
        """
        await self.session.play(self.clock, seconds)

    def shop_of(self, request: Request) -> Shop | None:
        """The shop of the request's Bearer token. A request to a shop's own host must carry that shop's token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        shop = self._shop_of_token(token.strip())
        host = request.headers.get("host", "").partition(":")[0]
        return None if shop and host.endswith(".myharavan.com") and host != shop.domain else shop

    def _shop_of_token(self, token: str) -> Shop | None:
        shop = self._by_token.get(token)
        if shop is None or shop.token != token:  # tokens can be replaced at any time
            self._by_token = {handle.token: handle.shop for handle in self.handles.values() if handle.token}
            shop = self._by_token.get(token)
        return shop
