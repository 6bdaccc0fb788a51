"""A shop in the hand of a test or a demo: everything that may happen to it, as plain calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import msgspec

from . import editing, money, populate, selling, stamps
from .app_side import AppSide
from .bucket import Bucket
from .calls import Call, Calls, Hook, Moment
from .deliveries import Deliveries
from .faults import Faults
from .records import Customer, Group, Metafield

Amount = int | float | str | Decimal


class ShopHandle(AppSide):
    """One shop of a sandbox. Customers are named by their id; money is in whole units of the currency."""

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

    def populate(self, n: int, seed: int = 1) -> list[int]:
        """Make up `n` customers from a seed number, without webhooks; their ids."""
        return populate.populate(self.shop, n, seed=seed)

    def create(self, **fields: Any) -> int:
        """Take in a customer with any fields of the Omni record and announce it; its id.

        Without a name it is called "Khách <id>". Nothing else is checked. Raises ValueError for a taken id.
        """
        at = self.shop.now()
        customer_id = fields.pop("id", None) or self.shop.counters.take("customer")
        if customer_id in self.shop.store:
            raise ValueError(f"customer {customer_id} is there already")
        self.shop.counters.customer = max(self.shop.counters.customer, customer_id + 1)
        fields = {"first_name": f"Khách {customer_id}"} | fields
        blank = Customer(customer_id, created_at=at, updated_at=at)
        return self.shop.add(editing.edited(self.shop, blank, fields)).id

    def edit(self, customer_id: int, *, announce: bool = True, **fields: Any) -> None:
        """Set any fields of the record. `updated_at` moves unless it is given; customers/update is announced
        unless `announce` is false."""
        version = editing.edited(self.shop, self._present(customer_id), fields)
        self.shop.change(version, announce=announce, touch="updated_at" not in fields)

    def delete(self, customer_id: int) -> None:
        """Take a customer away, with or without orders, and announce customers/delete."""
        self.shop.remove(self._present(customer_id))

    def order(self, customer_id: int, amount: Amount, at: Any = None) -> int:
        """Book an order, now or at a given moment; its id."""
        when = stamps.of(at, self.shop.zone)
        return selling.order(self.shop, self._present(customer_id), money.of(amount), at=when).id

    def refund(self, customer_id: int, amount: Amount) -> None:
        """Give back so much of the latest order."""
        selling.refund(self.shop, self._present(customer_id), money.of(amount))

    def tag_by_hand(self, customer_id: int, tag: str) -> None:
        """A person in the shop's admin puts a tag on; announced whether or not tag writes echo."""
        customer = self._present(customer_id)
        self.shop.retag(customer, (*customer.tags, tag), announce=True)

    def untag_by_hand(self, customer_id: int, tag: str) -> None:
        customer = self._present(customer_id)
        self.shop.retag(customer, (one for one in customer.tags if one != tag), announce=True)

    def tags(self, customer_id: int) -> set[str]:
        return set(self._present(customer_id).tags)

    def customer(self, customer_id: int) -> dict[str, Any]:
        """The record in the Omni shape; money as floats, as any JSON reader would see it."""
        shape: dict[str, Any] = msgspec.json.decode(self.shop.body(self._present(customer_id)))
        return shape

    def body(self, customer_id: int) -> bytes:
        """The exact bytes that a webhook on this customer would carry now."""
        return self.shop.body(self._present(customer_id))

    def metafields(self, customer_id: int) -> tuple[Metafield, ...]:
        return self._present(customer_id).metafields

    def ids(self) -> list[int]:
        """Every customer's id, ascending."""
        return list(self.shop.store.ids)

    def add_group(self, name: str) -> int:
        """Open a customer group; its id."""
        at = self.shop.now()
        made = Group(self.shop.groups[-1].id + 2, name, at, at)
        self.shop.groups.append(made)
        return made.id

    def foreign_calls(self, calls: int) -> None:
        """Let the merchant's other apps make so many calls at once."""
        self.shop.bucket.spend(self.shop.clock(), calls)

    def on_call(
        self,
        concerns: str | Callable[[Call], bool],
        then: Callable[[], object | Awaitable[object]],
        *,
        when: Moment = "after",
        times: int | None = 1,
    ) -> None:
        """Do `then` just before a call takes effect, or after it and before its answer leaves.

        `concerns` is an endpoint's name or a test on the call; `times=None` is for ever.
        """
        test = concerns if callable(concerns) else (lambda call: call.endpoint == concerns)
        self.shop.hooks.hooks.append(Hook(test, then, when, times))

    def status(self) -> dict[str, Any]:
        """The shop at a glance."""
        return {
            "org": self.org,
            "customers": len(self.shop.store),
            "subscribed": self.shop.app.subscribed,
            "app": asdict(self.shop.app),
            "pending": self.deliveries.pending,
            "bucket": self.shop.bucket.header(self.shop.clock()),
            "calls": self.calls.by_endpoint(),
        }
