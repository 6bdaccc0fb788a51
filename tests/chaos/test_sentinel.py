"""After a failover the web process works with the new primary, which keeps what is acknowledged then."""

from __future__ import annotations

import pytest

from tests.chaos.sentinel import run_failover


@pytest.mark.process
@pytest.mark.timeout(600)
async def test_a_killed_primary_costs_seconds_and_nothing_acknowledged_after_the_failover() -> None:
    outcome = await run_failover("plain")

    print(outcome)  # how much of the time before is lost is measured, not promised
    assert outcome.acknowledged_after > 0
    assert outcome.lost_after == 0


@pytest.mark.process
@pytest.mark.timeout(600)
async def test_what_a_replica_confirmed_survives_the_primary() -> None:
    outcome = await run_failover("awaited")

    print(outcome)
    assert outcome.acknowledged_after > 0
    assert outcome.lost == 0
