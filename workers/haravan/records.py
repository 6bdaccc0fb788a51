"""What a list of customers brought: who can be read, who cannot, and whether it is what was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from service.domain.customers import CustomerId
from service.domain.records import Record

Raw = dict[str, Any]
"""A JSON object as the API sent it. Its fractions are Decimals with all their digits; write them with
`msgspec.json.Encoder(decimal_format="number")`."""


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that cannot be read, and why; `customer` is None where not even the id can be."""

    customer: CustomerId | None
    why: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The customers of one list answer, in its order."""

    records: tuple[Record, ...] = ()
    poisons: tuple[Poison, ...] = ()

    def __len__(self) -> int:
        return len(self.records) + len(self.poisons)

    @property
    def ids(self) -> frozenset[CustomerId]:
        """Everybody who came, readable or not."""
        poisoned = (poison.customer for poison in self.poisons if poison.customer is not None)
        return frozenset((*(CustomerId(record.customer.id) for record in self.records), *poisoned))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Who was asked for and did not come, and who came without being asked for."""

    missing: frozenset[CustomerId]
    unexpected: frozenset[CustomerId]

    @property
    def trustworthy(self) -> bool:
        """Whether the list did what was asked. Somebody missing may just be deleted: a single GET tells."""
        return not self.unexpected


def compare(asked: Iterable[CustomerId], got: Batch) -> Comparison:
    """Hold an answer against the ids that were asked for."""
    wanted = frozenset(asked)
    return Comparison(missing=wanted - got.ids, unexpected=got.ids - wanted)
