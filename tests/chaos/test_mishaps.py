"""The store is swapped, promoted or filled: nothing unfit acknowledges, and everybody is right afterwards."""

from __future__ import annotations

import asyncio

import pytest

from tests.chaos.mishaps import run_mishap


@pytest.mark.process
@pytest.mark.timeout(600)
async def test_after_a_mishap_of_the_store_nothing_acknowledged_is_lost_and_every_tag_is_right() -> None:
    outcomes = await asyncio.gather(
        run_mishap("full", seconds=0.5, customers=20),
        run_mishap("emptied", seconds=0.5, customers=20),
        run_mishap("promoted", seconds=0.5, customers=20),
    )

    for outcome in outcomes:
        print(outcome)
        assert outcome.acknowledged > 0
        assert (outcome.lost, outcome.acknowledged_by_unfit, outcome.wrong) == (0, 0, 0)
    full, emptied, promoted = (outcome.alerts for outcome in outcomes)
    assert full == {"store_full"}
    assert emptied == {"store_emptied"}
    assert promoted == {"store_unfit", "store_rewound"}
