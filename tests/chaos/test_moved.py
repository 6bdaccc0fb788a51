"""All data is moved to a cluster while webhooks arrive, after two attempts that were killed: nothing lost, nothing twice."""

from __future__ import annotations

import pytest

from tests.chaos.moved import run_moves


@pytest.mark.cluster
@pytest.mark.process
@pytest.mark.timeout(300)
async def test_a_move_under_load_loses_nothing_and_writes_no_tag_twice() -> None:
    outcome = await run_moves(seconds=0.5, customers=15, and_back=False)

    print(outcome)
    assert outcome.acknowledged > 50
    assert (outcome.lost, outcome.wrong, outcome.twice) == (0, 0, 0)
