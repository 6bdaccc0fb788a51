"""Every row of the tables comes out as it says, and nobody else notices."""

from __future__ import annotations

from typing import Final

import pytest

from tests.hostile.runner import TABLES, verdicts
from tests.hostile.verdict import duplicates

PARTS: Final = {
    "HTTP requests": 6,
    "webhook bodies": 3,
    "API answers": 4,
}  # so that several processes share the work
MIN_ROWS: Final = {
    "webhook bodies": 200,
    "API answers": 200,
    "rule documents": 68,
    "HTTP requests": 60,
    "settings": 60,
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "part"), [(name, part) for name in TABLES for part in range(PARTS.get(name, 1))]
)
async def test_every_row_is_right(name: str, part: int) -> None:
    wrong = [
        str(verdict)
        async for verdict in verdicts(TABLES[name], part=part, parts=PARTS.get(name, 1))
        if not verdict.is_right
    ]

    assert not wrong, "\n".join(wrong)


def test_each_row_has_its_own_name() -> None:
    assert duplicates({name: table.rows for name, table in TABLES.items()}) == []


@pytest.mark.parametrize("name", MIN_ROWS)
def test_the_tables_stay_large(name: str) -> None:
    assert len(TABLES[name].rows) >= MIN_ROWS[name]
