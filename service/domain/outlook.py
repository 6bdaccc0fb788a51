"""What one step of the rules (a tag, or a tier) would do to each customer of a population."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from service.domain.customers import Customer
from service.domain.evaluation import Compiled
from service.domain.facts import Facts
from service.domain.standing import Standing
from service.domain.tags import fold
from service.domain.turns import Turn

Cell = tuple[str, str]  # folded tag, and 'added', 'removed' or why it stays
Move = tuple[int, int, bool]  # from a level, to a level (their number: none), and whether it still waits


@dataclass(slots=True)
class Outlook:
    """What a step does, as places in the population; `unchanged` and `matched` only count.

    `unchanged`: folded tag -> customers who have it and keep it by rule. `matched`: rule id, or a tier's level tag
    -> customers who match. `adding` and `removing` are bit sets of places.
    """

    cells: dict[Cell, list[int]] = field(default_factory=dict)
    moves: dict[Move, list[int]] = field(default_factory=dict)
    unchanged: dict[str, int] = field(default_factory=dict)
    matched: dict[str, int] = field(default_factory=dict)
    stays: dict[int, int] = field(default_factory=dict)  # tier level -> customers who are where they belong
    adding: int = 0
    removing: int = 0
    samples: dict[Cell, tuple[int, ...]] = field(default_factory=dict)  # of the cells, kept by whoever asked
    keys: frozenset[str] = frozenset()

    def note(self, key: str, what: str, place: int) -> None:
        self.cells.setdefault((key, what), []).append(place)

    def close(self, size: int) -> Outlook:
        """Make the bit sets, so that several steps' customers can be counted once."""
        for (_, what), places in self.cells.items():
            if what == "added":
                self.adding |= bits(places, size)
            elif what == "removed":
                self.removing |= bits(places, size)
        self.keys = frozenset({*self.unchanged, *(key for key, _ in self.cells)})
        return self


def bits(places: Iterable[int], size: int) -> int:
    """A bit set of places."""
    row = bytearray((size >> 3) + 1)
    for place in places:
        row[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(row, "little")


@dataclass(frozen=True, slots=True)
class Scene:
    """What steps are looked at with. `apart`: customers whom one step alone cannot tell (see `stands_apart`)."""

    compiled: Compiled
    customers: Sequence[Customer]
    standings: Sequence[Standing]
    facts: Sequence[Facts]
    now_ms: int
    version: int
    apart: frozenset[int]
    stopped: Mapping[int, frozenset[str]]  # place -> folded tags that are not written now; all of them apart

    def turn(self, place: int) -> Turn:
        return Turn(
            compiled=self.compiled,
            customer=self.customers[place],
            standing=self.standings[place],
            facts=self.facts[place],
            now_ms=self.now_ms,
            version=self.version,
        )


def why_held(turn: Turn, key: str) -> str:
    """Why a tag stays that no rule gives; '' when it does not need a reason."""
    return next((held.why for held in turn.held_back if fold(held.tag) == key), "")
