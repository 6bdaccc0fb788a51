"""A server of a cluster is killed, hangs, is replaced, gives a slot away: nothing acknowledged is lost, everybody is right."""

from __future__ import annotations

import pytest

from tests.chaos.cluster import run_cluster


@pytest.mark.cluster
@pytest.mark.process
@pytest.mark.timeout(300)
async def test_what_happens_to_a_server_of_a_cluster_loses_nothing_that_was_acknowledged() -> None:
    outcome = await run_cluster(mishaps=("killed", "moved"), seconds=0.5, customers=15, per_s=5)

    print(outcome)
    assert outcome.acknowledged > 30
    assert (outcome.lost, outcome.wrong, outcome.went_back) == (0, 0, 0)
