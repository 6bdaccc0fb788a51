"""The population: all known customers of a shop, each with its state, on one day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final, Self

from service.domain.customers import Customer
from service.domain.decisions import CustomerState

_GOLDEN_RATIO_64: Final = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio: scatters neighbouring ids
_MASK_64: Final = 2**64 - 1
_NOTHING_SUPPRESSED: Final[Mapping[int, frozenset[str]]] = {}


@dataclass(frozen=True, slots=True)
class Population:
    """All known customers of a shop on one day.

    `states` has each customer's state at the customer's index. `today` is the shop's day (ordinal) at `now_ms`.
    `suppressed`: index -> folded tags that are not written for a day, because people reverted them three times.
    """

    customers: Sequence[Customer]
    states: Sequence[CustomerState]
    today: int
    now_ms: int
    suppressed: Mapping[int, frozenset[str]]

    @classmethod
    def of(
        cls,
        known: Iterable[tuple[Customer, CustomerState]],
        *,
        today: int,
        now_ms: int,
        suppressed: Mapping[int, frozenset[str]] = _NOTHING_SUPPRESSED,
    ) -> Self:
        """Collect customers with their states. Here, `suppressed` has customer ids as keys."""
        customers: list[Customer] = []
        states: list[CustomerState] = []
        for customer, state in known:
            customers.append(customer)
            states.append(state)
        by_index = {
            index: suppressed[customer.id]
            for index, customer in enumerate(customers)
            if customer.id in suppressed
        }
        return cls(customers, states, today, now_ms, by_index)

    def __len__(self) -> int:
        return len(self.customers)

    def sample(self, indexes: Sequence[int], *, size: int) -> tuple[int, ...]:
        """Return ids of up to `size` of these customers: scattered, and the same ids every time."""
        customers = self.customers
        return tuple(nsmallest(size, (customers[index].id for index in indexes), key=sample_rank))


def sample_rank(customer: int) -> int:
    """A customer's position in the order in which samples are taken."""
    return customer * _GOLDEN_RATIO_64 & _MASK_64
