"""One shop as tests and demos use it: everything that can happen to it, as plain calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Final

import msgspec

from deploy.sandbox.call_log import Call, Calls, Hook, Moment, check_endpoint
from deploy.sandbox.errors import NotFound, Refused
from deploy.sandbox.faults import Faults
from deploy.sandbox.records import Customer, Group, Metafield, money
from deploy.sandbox.shop import Bucket, Shop, editing, fake_data, sales
from deploy.sandbox.webhooks import Deliveries, Delivery, HandshakeFailed, WebhookSession

Amount = int | float | str | Decimal
MAX_ID: Final = 2**63 - 1
MAX_POPULATED: Final = 200_000


class PendingSubscription:
    """A subscription that is already active. Awaiting it performs the handshake too; raises HandshakeFailed."""

    def __init__(self, session: WebhookSession, shop: Shop) -> None:
        self._session = session
        self._shop = shop

    def __await__(self) -> Generator[Any, None, None]:
        return self._confirm().__await__()

    async def _confirm(self) -> None:
        app = self._shop.app
        problem = await self._session.handshake(
            app.url, verify_token=app.verify_token, timeout_s=self._shop.deliveries.timeout_s
        )
        if problem is not None:
            self._shop.unsubscribe()
            raise HandshakeFailed(problem)


class ShopHandle:
    """One shop of a sandbox. Customers are identified by their id; money is in whole units of the currency."""

    def __init__(self, shop: Shop, session: WebhookSession) -> None:
        self.shop = shop
        self._session = session

    @property
    def org(self) -> str:
        return self.shop.org

    @property
    def token(self) -> str:
        return self.shop.token

    @property
    def secret(self) -> str:
        return self.shop.secret

    @property
    def verify_token(self) -> str | None:
        return self.shop.app.verify_token

    @property
    def calls(self) -> Calls:
        return self.shop.calls

    @property
    def faults(self) -> Faults:
        return self.shop.faults

    @property
    def deliveries(self) -> Deliveries:
        return self.shop.deliveries

    @property
    def bucket(self) -> Bucket:
        return self.shop.bucket

    # Customers

    def populate(self, n: int, seed: int = 1) -> list[int]:
        """Add `n` made-up customers without webhooks and return their ids. The same seed gives the same ones."""
        if not 0 <= n <= MAX_POPULATED:
            raise Refused(f"n must be from 0 to {MAX_POPULATED}, not {n}")
        return fake_data.populate(self.shop, n, seed=seed)

    def create(self, **fields: Any) -> int:
        """Create a customer with any fields of the Omni record, announce it, and return its id.

        The default name is "Khách <id>". Nothing else is checked. Raises Refused if the id is taken.
        """
        at = self.shop.now()
        customer_id = fields.pop("id", None) or self.shop.counters.take("customer")
        if not isinstance(customer_id, int) or not 0 < customer_id <= MAX_ID:
            raise Refused(f"id must be a whole number from 1 to {MAX_ID}")
        if customer_id in self.shop.store:
            raise Refused(f"customer {customer_id} already exists")
        self.shop.counters.customer = max(self.shop.counters.customer, customer_id + 1)
        fields = {"first_name": f"Khách {customer_id}"} | fields
        blank = Customer(customer_id, created_at=at, updated_at=at)
        return self.shop.add(editing.apply_edits(self.shop, blank, fields)).id

    def edit(self, customer_id: int, *, announce: bool = True, **fields: Any) -> None:
        """Set any fields of the record and send customers/update.

        `updated_at` changes unless it is given. `announce=False` sends no webhook.
        """
        version = editing.apply_edits(self.shop, self._current(customer_id), fields)
        self.shop.change(version, announce=announce, touch="updated_at" not in fields)

    def delete(self, customer_id: int) -> None:
        """Delete a customer, with or without orders, and send customers/delete."""
        self.shop.remove(self._current(customer_id))

    def order(self, customer_id: int, amount: Amount, at: Any = None) -> int:
        """Place an order, now or at a given time, and return its id."""
        when = editing.parse_field(self.shop, "at", at)
        return sales.place_order(self.shop, self._current(customer_id), _money(amount), at=when).id

    def refund(self, customer_id: int, amount: Amount) -> None:
        """Refund this amount of the latest order."""
        sales.refund_order(self.shop, self._current(customer_id), _money(amount))

    def tag_by_hand(self, customer_id: int, tag: str) -> None:
        """Add a tag as staff would in the shop's admin. Sends customers/update even if `echo` is off."""
        customer = self._current(customer_id)
        self.shop.set_tags(customer, (*customer.tags, tag), announce=True)

    def untag_by_hand(self, customer_id: int, tag: str) -> None:
        """Remove a tag as staff would in the shop's admin. Sends customers/update even if `echo` is off."""
        customer = self._current(customer_id)
        self.shop.set_tags(customer, (name for name in customer.tags if name != tag), announce=True)

    def tags(self, customer_id: int) -> set[str]:
        """The customer's tags."""
        return set(self._current(customer_id).tags)

    def customer(self, customer_id: int) -> dict[str, Any]:
        """The record in the Omni format. Money is float, as an ordinary JSON parser reads it."""
        shape: dict[str, Any] = msgspec.json.decode(self.shop.body(self._current(customer_id)))
        return shape

    def body(self, customer_id: int) -> bytes:
        """The exact bytes of a webhook about this customer."""
        return self.shop.body(self._current(customer_id))

    def metafields(self, customer_id: int) -> tuple[Metafield, ...]:
        return self._current(customer_id).metafields

    def ids(self) -> list[int]:
        """The ids of all customers, ascending."""
        return list(self.shop.store.ids)

    def add_group(self, name: str) -> int:
        """Create a customer group and return its id."""
        at = self.shop.now()
        group = Group(self.shop.groups[-1].id + 2, name, at, at)
        self.shop.groups.append(group)
        return group.id

    # The app: its webhooks, its token, its installation

    @property
    def subscriptions(self) -> list[dict[str, Any]]:
        """What GET /api/subscribe returns: `{"id", "event", "url"}` for each topic."""
        return self.shop.subscriptions()

    def subscribe(
        self, url: str, verify_token: str | None = None, topics: Iterable[str] | None = None
    ) -> PendingSubscription:
        """Send this shop's webhooks to `url` from now on. `await` the result to perform the handshake too.

        `POST /api/subscribe` performs the handshake by itself if a `verify_token` is set.
        """
        self.app(url, verify_token, topics)
        self.shop.app.subscribed = True
        return PendingSubscription(self._session, self.shop)

    def app(
        self, url: str | None = None, verify_token: str | None = None, topics: Iterable[str] | None = None
    ) -> None:
        """Change the app's settings in the partner dashboard, without subscribing. None leaves a setting unchanged.

        Topics: customers/create, customers/update and customers/delete by default; orders/create, orders/paid,
        orders/updated and refunds/create if they are listed here.
        """
        app = self.shop.app
        app.url = url if url is not None else app.url
        app.verify_token = verify_token if verify_token is not None else app.verify_token
        app.topics = tuple(topics) if topics is not None else app.topics

    def unsubscribe(self) -> None:
        """Delete the subscription without notice, as Haravan does after too many failures."""
        self.shop.unsubscribe()

    def resend(self, customer_id: int, topic: str = "customers/update", *, test: bool = False) -> None:
        """Send the customer's current record again. `test` marks it as a test delivery."""
        self.shop.announce(topic, self._current(customer_id), test=test)

    def deliver(
        self,
        topic: str,
        body: str | bytes,
        *,
        signature: str | None = None,
        org: str | None = None,
        customer_id: int = 0,
    ) -> None:
        """Send any body under any topic, with retries. It is signed correctly unless a `signature` is given.

        Raises Refused if there is no subscription.
        """
        if not self.shop.app.subscribed:
            raise Refused("there is no subscription")
        raw = body.encode() if isinstance(body, str) else body
        self.shop.deliveries.push(Delivery(topic, customer_id, raw, signature=signature, org=org))

    def replace_token(self, token: str | None) -> None:
        """Accept only this token from now on. None: accept none."""
        self.shop.token = token or ""

    def replace_secret(self, secret: str) -> None:
        """Sign deliveries with this secret from now on, including those that already wait."""
        self.shop.secret = secret

    def uninstall(self) -> None:
        """Uninstall the app: a last app/uninstalled is sent, and the token is no longer accepted."""
        if self.shop.app.subscribed:
            self.deliver(
                "app/uninstalled", msgspec.json.encode({"id": self.shop.org, "domain": self.shop.domain})
            )
        self.shop.app.installed = False
        self.replace_token(None)

    def install(self, token: str) -> None:
        """Install the app again, with a new token and without a subscription."""
        self.shop.app.installed = True
        self.shop.unsubscribe()
        self.replace_token(token)

    def consume_quota(self, calls: int) -> None:
        """Simulate this many API calls of the merchant's other apps."""
        self.shop.bucket.spend(self.shop.clock(), calls)

    # Observation

    def on_call(
        self,
        matches: str | Callable[[Call], bool],
        then: Callable[[], object | Awaitable[object]],
        *,
        when: Moment = "after",
        times: int | None = 1,
    ) -> None:
        """Run `then` just before a call takes effect, or between its effect and its response.

        `matches` is the name of an endpoint or a predicate on the call. `times=None` means every time.
        """
        if isinstance(matches, str):
            check_endpoint(matches)
        predicate = matches if callable(matches) else (lambda call: call.endpoint == matches)
        self.shop.hooks.hooks.append(Hook(predicate, then, when, times))

    def status(self) -> dict[str, Any]:
        """The state of the shop."""
        return {
            "org": self.org,
            "customers": len(self.shop.store),
            "subscribed": self.shop.app.subscribed,
            "app": asdict(self.shop.app),
            "pending": self.deliveries.pending,
            "bucket": self.shop.bucket.header(self.shop.clock()),
            "calls": self.calls.by_endpoint(),
        }

    def _current(self, customer_id: int) -> Customer:
        customer = self.shop.store.get(customer_id)
        if customer is None:
            raise NotFound(f"no customer {customer_id}")
        return customer


def _money(amount: Amount) -> money.Money:
    try:
        return money.parse(amount)
    except ArithmeticError as exc:
        raise Refused(f"{amount} is not an amount of money") from exc
