"""After a failover the web process goes on with the new primary, and what it then acknowledges is there."""

from __future__ import annotations

import pytest

from tests.chaos.sentinel import failed_over


@pytest.mark.timeout(600)
async def test_a_killed_primary_costs_seconds_and_nothing_acknowledged_after_the_failover() -> None:
    outcome = await failed_over("plain")

    print(outcome)  # how much of the time before is lost is measured, not promised
    assert outcome.acknowledged_after > 0
    assert outcome.lost_after == 0
