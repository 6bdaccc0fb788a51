"""What happens in the shop: somebody buys, returns, moves, is tagged by hand, and Haravan repeats itself.

Who is concerned is chosen by the records and the rules alone, never by the tags that are there at the moment: so
the same seed number makes the same day, however quick the service is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from deploy.demonstration.judge import Judge
from deploy.demonstration.words import dong, name_of
from deploy.sandbox import ShopHandle, names
from service.domain.customers import Customer
from service.domain.money import TEN_THOUSANDTHS
from service.domain.tags import fold

SAMPLE = 400  # how many customers are looked through for somebody suitable
NEAR = 4_000_000  # how far below a threshold somebody may be, to be brought over it by one order


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happens to one customer. `act` makes it happen and returns the customer's id."""

    who: str
    what: str
    act: Callable[[], int]


class Day:
    """Makes up one happening after the other.

    `by_hand`: staff touch tags too. Only sensible once everybody was looked at: a tag that is not there yet cannot
    be taken off.
    """

    def __init__(self, haravan: ShopHandle, judge: Judge, rng: Random) -> None:
        self.by_hand = False
        self._haravan = haravan
        self._judge = judge
        self._rng = rng
        self._kinds: list[tuple[Callable[[], Happening | None], int]] = [
            (self._buys_over_a_threshold, 30),
            (self._buys, 20),
            (self._returns, 14),
            (self._is_new, 10),
            (self._comes_back, 10),
            (self._subscribes, 6),
        ]
        self._kinds_by_hand: list[tuple[Callable[[], Happening | None], int]] = [
            (self._is_tagged_by_hand, 10),
            (self._loses_our_tag, 10),
        ]

    def __iter__(self) -> Iterator[Happening]:
        while True:
            kinds = [*self._kinds, *(self._kinds_by_hand if self.by_hand else ())]
            makers, weights = zip(*kinds, strict=True)
            found = self._rng.choices(makers, weights)[0]()
            if found is not None:
                yield found

    def _buys(self) -> Happening | None:
        return self._order(self._some(lambda _: True), round(self._rng.lognormvariate(13.2, 0.9), -4))

    def _buys_over_a_threshold(self) -> Happening | None:
        limits = self._judge.thresholds
        someone = self._some(lambda one: any(0 < limit - spent(one) <= NEAR for limit in limits))
        if someone is None:
            return None
        over = min(limit for limit in limits if limit > spent(someone))
        return self._order(someone, over - spent(someone) + self._rng.randrange(1, 60) * 10_000)

    def _comes_back(self) -> Happening | None:
        return self._order(self._some(self._wants("ngủ đông")), self._rng.randrange(15, 90) * 10_000)

    def _order(self, someone: Customer | None, amount: float) -> Happening | None:
        if someone is None:
            return None
        bought = max(10_000, -(-int(amount) // 10_000) * 10_000)
        total = dong(spent(someone) + bought)
        return self._happening(
            someone,
            f"buys for {dong(bought)}, {total} in all",
            lambda: self._haravan.order(someone.id, bought),
        )

    def _returns(self) -> Happening | None:
        limits = self._judge.thresholds
        someone = self._some(lambda one: bool(limits) and spent(one) >= limits[0])
        if someone is None:
            return None
        reached = max(limit for limit in limits if limit <= spent(someone))
        amount = min(spent(someone), spent(someone) - reached + self._rng.randrange(1, 50) * 10_000)
        left = dong(spent(someone) - amount)
        return self._happening(
            someone,
            f"returns goods for {dong(amount)}, {left} left",
            lambda: self._haravan.refund(someone.id, amount),
        )

    def _is_new(self) -> Happening:
        given, family = self._rng.choice(names.FEMALE), self._rng.choice(names.FAMILY)[0]
        birthday = datetime.now(UTC).date().replace(year=self._rng.randrange(1960, 2005), day=15)
        born = birthday if self._rng.random() < 0.5 else None
        return Happening(
            f"{family} {given}",
            "is a new customer in Hồ Chí Minh"
            + (", born this month" if born else "")
            + ", takes the newsletter",
            lambda: self._haravan.create(
                first_name=given, last_name=family, birthday=born, accepts_marketing=True, province_code="HC"
            ),
        )

    def _subscribes(self) -> Happening | None:
        someone = self._some(lambda one: one.province_code == "HC" and not one.accepts_marketing)
        if someone is None:
            return None
        return self._happening(
            someone, "takes the newsletter", lambda: self._haravan.edit(someone.id, accepts_marketing=True)
        )

    def _is_tagged_by_hand(self) -> Happening | None:
        someone = self._some(self._wants("nhận tin hcm"))
        if someone is None:
            return None
        return self._happening(
            someone,
            "staff put the tag Khách sỉ on by hand",
            lambda: self._haravan.tag_by_hand(someone.id, "Khách sỉ"),
        )

    def _loses_our_tag(self) -> Happening | None:
        someone = self._some(lambda one: bool(self._judge.wanted(one, datetime.now(UTC))))
        if someone is None:
            return None
        key = min(self._judge.wanted(someone, datetime.now(UTC)))
        tag = self._judge.spellings[key]
        return self._happening(
            someone,
            f"staff took the tag {tag} off by hand",
            lambda: self._haravan.untag_by_hand(someone.id, tag),
        )

    def _wants(self, tag: str) -> Callable[[Customer], bool]:
        return lambda one: fold(tag) in self._judge.wanted(one, datetime.now(UTC))

    def _some(self, suits: Callable[[Customer], bool]) -> Customer | None:
        ids = self._haravan.ids()
        for customer in self._rng.sample(ids, min(SAMPLE, len(ids))):
            someone = self._judge.read(self._haravan.body(customer))
            if suits(someone):
                return someone
        return None

    def _happening(self, someone: Customer, what: str, change: Callable[[], object]) -> Happening:
        def act() -> int:
            change()
            return someone.id

        return Happening(name_of(someone), what, act)


def spent(someone: Customer) -> int:
    """What the customer spent so far, in whole units; nobody knows is nothing."""
    return (someone.total_spent or 0) // TEN_THOUSANDTHS
