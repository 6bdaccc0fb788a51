"""The app's side of a shop: where its webhooks go, under which secret, and whether it is installed at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from . import subscription
from .outbox import Delivery
from .records import Customer
from .shop import Shop

if TYPE_CHECKING:
    from .box import Sandbox


class AppSide:
    """What a partner dashboard and a merchant can do to the app of one shop."""

    def __init__(self, sandbox: Sandbox, shop: Shop) -> None:
        self._sandbox = sandbox
        self.shop = shop

    @property
    def subscriptions(self) -> list[dict[str, Any]]:
        """What GET /api/subscribe lists: `{"id", "event", "url"}` for each topic."""
        return subscription.listed(self.shop)

    def subscribe(
        self, url: str, verify_token: str | None = None, topics: Iterable[str] | None = None
    ) -> subscription.Subscribing:
        """Send this shop's webhooks to `url`, at once; `await` the result to make the handshake too.

        `POST /api/subscribe` makes the handshake by itself when a `verify_token` is set.
        """
        self.app(url, verify_token, topics)
        self.shop.app.subscribed = True
        return subscription.Subscribing(self._sandbox, self.shop)

    def app(
        self, url: str | None = None, verify_token: str | None = None, topics: Iterable[str] | None = None
    ) -> None:
        """Fill in the partner dashboard without subscribing; what is not given stays.

        Besides customers/create, update and delete there are the topics orders/create, orders/paid,
        orders/updated and refunds/create, off until they are named here.
        """
        known = self.shop.app
        known.url = url if url is not None else known.url
        known.verify_token = verify_token if verify_token is not None else known.verify_token
        known.topics = tuple(topics) if topics is not None else known.topics

    def unsubscribe(self) -> None:
        """Delete the subscription in silence, as Haravan does after too many failures."""
        self.shop.unsubscribe()

    def resend(self, customer_id: int, topic: str = "customers/update", *, test: bool = False) -> None:
        """Send the customer's present record once more; with `test`, marked as a test delivery."""
        self.shop.announce(topic, self._present(customer_id), test=test)

    def replace_token(self, token: str | None) -> None:
        """From now on only this token opens the shop; None expires the present one."""
        self.shop.token = token or ""

    def replace_secret(self, secret: str) -> None:
        """From now on deliveries are signed with this secret, those that wait already included."""
        self.shop.secret = secret

    def deliver(
        self,
        topic: str,
        body: str | bytes,
        *,
        signature: str | None = None,
        org: str | None = None,
        customer_id: int = 0,
    ) -> None:
        """Send any body under any topic, rightly signed unless a `signature` is given; retried like any other.

        Raises ValueError without a subscription.
        """
        if not self.shop.app.subscribed:
            raise ValueError("nobody is subscribed")
        raw = body.encode() if isinstance(body, str) else body
        self.shop.deliveries.push(Delivery(topic, customer_id, raw, signature=signature, org=org))

    def uninstall(self) -> None:
        """The merchant removes the app: one last app/uninstalled is sent, then the token opens nothing."""
        if self.shop.app.subscribed:
            self.deliver(
                "app/uninstalled", msgspec.json.encode({"id": self.shop.org, "domain": self.shop.domain})
            )
        self.shop.app.installed = False
        self.replace_token(None)

    def install(self, token: str) -> None:
        """The merchant installs the app again: a new token, and no subscription until the app asks for one."""
        self.shop.app.installed = True
        self.shop.unsubscribe()
        self.replace_token(token)

    def _present(self, customer_id: int) -> Customer:
        customer = self.shop.store.get(customer_id)
        if customer is None:
            raise KeyError(f"no customer {customer_id}")
        return customer
