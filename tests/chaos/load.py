"""What happens in the shops: people buy, give back, move, leave; staff tag by hand. All of it from one seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from deploy.sandbox import ShopHandle
from tests.chaos.rules import BY_HAND, MANAGED
from tests.chaos.witnessing import Witness

TOPICS = (
    "customers/create",
    "customers/update",
    "customers/delete",
    "orders/create",
    "refunds/create",
)
MOVES = ("order", "refund", "edit", "create", "delete", "tag", "untag", "undo", "resend")
WEIGHTS = (28, 22, 20, 8, 1, 8, 5, 1, 7)


@dataclass(slots=True)
class Shopful:
    """One shop, and what a person did to its customers' tags."""

    handle: ShopHandle
    witness: Witness
    ids: list[int] = field(default_factory=list)
    by_hand: dict[int, set[str]] = field(default_factory=dict)  # tags that no rule gives
    earlier: dict[int, set[str]] = field(default_factory=dict)  # a rule's tags that staff gave before us
    undone: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)

    def populate(self, count: int, seed: int, dice: Random) -> None:
        """Make customers up; some bear tags of staff's, some of these are called as a rule's."""
        self.ids = self.handle.populate(count, seed=seed)
        for each in self.ids:
            if dice.random() < 0.1:
                self.handle.edit(each, announce=False, tags=[*self.handle.tags(each), "VIP"])
            self._look(each)

    def _look(self, customer: int) -> None:
        tags = self.handle.tags(customer)
        self.by_hand[customer] = tags - MANAGED
        self.earlier[customer] = tags & MANAGED


class Load:
    """Makes one thing happen at a time."""

    def __init__(self, shops: list[Shopful], dice: Random) -> None:
        self._shops = shops
        self._dice = dice
        self._unsaid = [(shop, customer) for shop in shops for customer in shop.ids]
        dice.shuffle(self._unsaid)

    def step(self) -> None:
        """One thing, to somebody, in some shop; and now and then a customer of whom nothing was said yet."""
        if self._unsaid and self._dice.random() < 0.5:
            self._speak(*self._unsaid.pop())
        shop = self._dice.choice(self._shops)
        move = self._dice.choices(MOVES, WEIGHTS)[0]
        if move == "create":
            self._create(shop)
        elif shop.ids:
            getattr(self, f"_{move}")(shop, self._dice.choice(shop.ids))

    def speak_of_all(self) -> None:
        """Name whoever was not named yet: a customer of whom nobody speaks is the backfill's affair."""
        while self._unsaid:
            self._speak(*self._unsaid.pop())

    def _speak(self, shop: Shopful, customer: int) -> None:
        if customer not in shop.deleted:
            shop.handle.resend(customer)

    def _create(self, shop: Shopful) -> None:
        new = shop.handle.create(
            email=None,
            accepts_marketing=self._dice.random() < 0.5,
            total_spent=self._dice.choice([0, 12_000_000]),
        )
        shop.ids.append(new)
        shop.by_hand[new], shop.earlier[new] = set(), set()

    def _order(self, shop: Shopful, customer: int) -> None:
        shop.handle.order(customer, self._dice.choice([300_000, 4_000_000, 11_000_000, 30_000_000]))

    def _refund(self, shop: Shopful, customer: int) -> None:
        shop.handle.refund(customer, self._dice.choice([300_000, 11_000_000, 45_000_000]))

    def _edit(self, shop: Shopful, customer: int) -> None:
        if self._dice.random() < 0.5:
            shop.handle.edit(customer, accepts_marketing=self._dice.random() < 0.5)
        else:
            shop.handle.edit(customer, note=f"ghi chú {self._dice.randrange(1000)}")

    def _delete(self, shop: Shopful, customer: int) -> None:
        shop.handle.delete(customer)
        shop.ids.remove(customer)
        shop.deleted.add(customer)

    def _tag(self, shop: Shopful, customer: int) -> None:
        tag = self._dice.choice(BY_HAND)
        shop.handle.tag_by_hand(customer, tag)
        shop.by_hand[customer].add(tag)

    def _untag(self, shop: Shopful, customer: int) -> None:
        if shop.by_hand[customer]:
            tag = min(shop.by_hand[customer])
            shop.handle.untag_by_hand(customer, tag)
            shop.by_hand[customer].discard(tag)

    def _undo(self, shop: Shopful, customer: int) -> None:
        """Staff take a tag of ours off: once each, the third time would stop the tag."""
        ours = (shop.handle.tags(customer) & MANAGED) - shop.earlier[customer]
        if ours and customer not in shop.undone:
            shop.undone.add(customer)
            shop.handle.untag_by_hand(customer, min(ours))

    def _resend(self, shop: Shopful, customer: int) -> None:
        shop.handle.resend(customer)
