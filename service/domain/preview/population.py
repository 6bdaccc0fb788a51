"""The population: all customers of a shop with what is stored about each, on one day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final

from service.domain.customers import Customer
from service.domain.decisions import CustomerState

_ODD: Final = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio: neighbours land far apart
_MASK: Final = 2**64 - 1

NOBODY: Final[Mapping[int, frozenset[str]]] = {}


@dataclass(frozen=True, slots=True)
class Population:
    """All customers of a shop, each with its state at the same index, on a day (ordinal) at a moment."""

    customers: Sequence[Customer]
    states: Sequence[CustomerState]
    today: int
    now_ms: int
    suppressed: Mapping[
        int, frozenset[str]
    ]  # index -> folded tags that people reverted too often to be written now

    def __len__(self) -> int:
        return len(self.customers)

    def examples(self, places: Sequence[int], *, most: int) -> tuple[int, ...]:
        """Return ids of some customers out of these: scattered, and the same ones every time."""
        customers = self.customers
        return tuple(nsmallest(most, (customers[place].id for place in places), key=sample_rank))


def make_population(
    known: Iterable[tuple[Customer, CustomerState]],
    *,
    today: int,
    now_ms: int,
    stopped: Mapping[int, frozenset[str]] = NOBODY,
) -> Population:
    """Gather a population. `today` is the shop's day (ordinal) of the moment `now_ms`.

    `stopped`: customer id -> folded tags that are not written for a day, because people keep reverting them.
    """
    customers: list[Customer] = []
    standings: list[CustomerState] = []
    for customer, standing in known:
        customers.append(customer)
        standings.append(standing)
    held = {index: stopped[one.id] for index, one in enumerate(customers) if one.id in stopped}
    return Population(customers, standings, today, now_ms, held)


def sample_rank(customer: int) -> int:
    """The position of a customer in the order of examples."""
    return customer * _ODD & _MASK
