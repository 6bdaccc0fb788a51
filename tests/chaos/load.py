"""The load of a run, from one seed: customers buy, return and leave, staff edit and tag them."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from deploy.sandbox import ShopHandle
from tests.chaos.recorded_deliveries import RecordedDeliveries
from tests.chaos.rules import BY_HAND, MANAGED

TOPICS = (
    "customers/create",
    "customers/update",
    "customers/delete",
    "orders/create",
    "refunds/create",
)
ACTIONS = ("order", "refund", "edit", "create", "delete", "tag", "untag", "revert", "resend")
WEIGHTS = (28, 22, 20, 8, 1, 8, 5, 1, 7)


@dataclass(slots=True)
class ShopUnderLoad:
    """One shop, and what staff did to its customers' tags."""

    handle: ShopHandle
    deliveries: RecordedDeliveries
    ids: list[int] = field(default_factory=list)
    by_hand: dict[int, set[str]] = field(default_factory=dict)  # tags that no rule gives
    given_before: dict[int, set[str]] = field(default_factory=dict)  # tags of rules that staff gave before us
    reverted: set[int] = field(default_factory=set)  # staff removed a tag of ours from them
    deleted: set[int] = field(default_factory=set)

    def populate(self, count: int, seed: int, rng: Random) -> None:
        """Create customers. Some have tags that staff gave, also with the name of a rule's tag."""
        self.ids = self.handle.populate(count, seed=seed)
        for customer in self.ids:
            if rng.random() < 0.1:
                self.handle.edit(customer, announce=False, tags=[*self.handle.tags(customer), "VIP"])
            self._remember_tags(customer)

    def _remember_tags(self, customer: int) -> None:
        tags = self.handle.tags(customer)
        self.by_hand[customer] = tags - MANAGED
        self.given_before[customer] = tags & MANAGED


class Load:
    """Draws one action after the other."""

    def __init__(self, shops: list[ShopUnderLoad], rng: Random) -> None:
        self._shops = shops
        self._rng = rng
        self._unannounced = [(shop, customer) for shop in shops for customer in shop.ids]
        rng.shuffle(self._unannounced)

    def step(self) -> None:
        """One action in one shop. Half of the steps also announce a customer that no webhook has named yet."""
        if self._unannounced and self._rng.random() < 0.5:
            self._announce(*self._unannounced.pop())
        shop = self._rng.choice(self._shops)
        action = self._rng.choices(ACTIONS, WEIGHTS)[0]
        if action == "create":
            self._create(shop)
        elif shop.ids:
            getattr(self, f"_{action}")(shop, self._rng.choice(shop.ids))

    def announce_all(self) -> None:
        """Announce all other customers: without a webhook only a backfill would read them."""
        while self._unannounced:
            self._announce(*self._unannounced.pop())

    def _announce(self, shop: ShopUnderLoad, customer: int) -> None:
        if customer not in shop.deleted:
            shop.handle.resend(customer)

    def _create(self, shop: ShopUnderLoad) -> None:
        new = shop.handle.create(
            email=None,
            accepts_marketing=self._rng.random() < 0.5,
            total_spent=self._rng.choice([0, 12_000_000]),
        )
        shop.ids.append(new)
        shop.by_hand[new], shop.given_before[new] = set(), set()

    def _order(self, shop: ShopUnderLoad, customer: int) -> None:
        shop.handle.order(customer, self._rng.choice([300_000, 4_000_000, 11_000_000, 30_000_000]))

    def _refund(self, shop: ShopUnderLoad, customer: int) -> None:
        shop.handle.refund(customer, self._rng.choice([300_000, 11_000_000, 45_000_000]))

    def _edit(self, shop: ShopUnderLoad, customer: int) -> None:
        if self._rng.random() < 0.5:
            shop.handle.edit(customer, accepts_marketing=self._rng.random() < 0.5)
        else:
            shop.handle.edit(customer, note=f"ghi chú {self._rng.randrange(1000)}")

    def _delete(self, shop: ShopUnderLoad, customer: int) -> None:
        shop.handle.delete(customer)
        shop.ids.remove(customer)
        shop.deleted.add(customer)

    def _tag(self, shop: ShopUnderLoad, customer: int) -> None:
        tag = self._rng.choice(BY_HAND)
        shop.handle.tag_by_hand(customer, tag)
        shop.by_hand[customer].add(tag)

    def _untag(self, shop: ShopUnderLoad, customer: int) -> None:
        if shop.by_hand[customer]:
            tag = min(shop.by_hand[customer])
            shop.handle.untag_by_hand(customer, tag)
            shop.by_hand[customer].discard(tag)

    def _revert(self, shop: ShopUnderLoad, customer: int) -> None:
        """Staff remove a tag of ours, once for each customer: the third time would stop the tag."""
        ours = (shop.handle.tags(customer) & MANAGED) - shop.given_before[customer]
        if ours and customer not in shop.reverted:
            shop.reverted.add(customer)
            shop.handle.untag_by_hand(customer, min(ours))

    def _resend(self, shop: ShopUnderLoad, customer: int) -> None:
        shop.handle.resend(customer)
