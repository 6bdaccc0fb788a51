"""All customers of a shop at once, their facts made once, so that a preview need not begin anew."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Final, TypeVar

from service.domain.customers import Customer
from service.domain.evaluation import Compiled
from service.domain.facts import Facts, build_facts
from service.domain.standing import Standing

MOST_REMEMBERED: Final = 500
_ODD: Final = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio: neighbours land far apart
_MASK: Final = 2**64 - 1

NOBODY: Final[Mapping[int, frozenset[str]]] = {}

T = TypeVar("T")


@dataclass(slots=True)
class Population:
    """Every customer with what we keep about it, on a day (ordinal) at a moment.

    It remembers facts, and what each rule did to them: an edited rule costs one rule, not all of them.
    """

    customers: Sequence[Customer]
    standings: Sequence[Standing]
    today: int
    now_ms: int
    owners: frozenset[str]  # ids of the rules and tiers that somebody's tags were given by
    stopped: Mapping[int, frozenset[str]]  # place -> folded tags that were undone too often to be written now
    _facts: list[Facts] = field(default_factory=list, repr=False)
    _zone: str = ""
    _remembered: dict[Hashable, object] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.customers)

    def facts(self, compiled: Compiled) -> list[Facts]:
        """Everybody's facts as these rules' zone has them; all of them, since the next edit may read any."""
        zone = compiled.rule_set.timezone
        if zone != self._zone:
            self._facts = []
            alike: dict[frozenset[str], frozenset[str]] = {}
            for customer in self.customers:
                facts = build_facts(customer, self.today, calendar=compiled.calendar)
                facts.tags = alike.setdefault(facts.tags, facts.tags)  # or they would be half of the memory
                self._facts.append(facts)
            self._zone = zone
            self._remembered.clear()
        return self._facts

    def recall(self, key: Hashable, kind: type[T]) -> T | None:
        """What was found out before."""
        found = self._remembered.get(key)
        return found if isinstance(found, kind) else None

    def remember(self, key: Hashable, found: T) -> T:
        """Keep what was found out; the oldest goes when there is much."""
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)))
        self._remembered[key] = found
        return found

    def examples(self, places: Sequence[int], *, most: int) -> tuple[int, ...]:
        """Some customers' ids out of these places: scattered, and the same ones every time."""
        customers = self.customers
        return tuple(nsmallest(most, (customers[place].id for place in places), key=rank))


def population(
    known: Iterable[tuple[Customer, Standing]],
    *,
    today: int,
    now_ms: int,
    stopped: Mapping[int, frozenset[str]] = NOBODY,
) -> Population:
    """Gather a population; `today` is the shop's day (ordinal) of the moment `now_ms`.

    `stopped`: customer's id -> folded tags that are not written for a day, because people keep undoing them.
    """
    customers: list[Customer] = []
    standings: list[Standing] = []
    for customer, standing in known:
        customers.append(customer)
        standings.append(standing)
    owners = frozenset(own.rule for standing in standings for own in standing.owned.values())
    held = {place: stopped[one.id] for place, one in enumerate(customers) if one.id in stopped}
    return Population(customers, standings, today, now_ms, owners, held)


def rank(customer: int) -> int:
    """Where a customer comes in the order of examples."""
    return customer * _ODD & _MASK
