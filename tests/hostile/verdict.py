"""What a row of a table says and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Row(Protocol):
    """One row of a table: a name, and what must come of its input."""

    @property
    def name(self) -> str: ...

    @property
    def expected(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a row. `harmed` names each other customer, shop or request that noticed."""

    table: str
    row: str
    expected: str
    got: str
    harmed: tuple[str, ...] = ()
    took_ms: float = 0.0

    @property
    def is_right(self) -> bool:
        """Whether the row's outcome is the expected one and nobody else noticed."""
        return self.got == self.expected and not self.harmed

    def __str__(self) -> str:
        harmed = f"; harmed: {', '.join(self.harmed)}" if self.harmed else ""
        return f"{self.table}: {self.row}: expected {self.expected!r}, got {self.got!r}{harmed}"


def duplicates(rows: Mapping[str, tuple[Row, ...]]) -> list[str]:
    """The names that a table has twice."""
    names = {table: [row.name for row in entries] for table, entries in rows.items()}
    return [
        f"{table}: {name}"
        for table, entries in names.items()
        for name in sorted(set(entries))
        if entries.count(name) > 1
    ]
