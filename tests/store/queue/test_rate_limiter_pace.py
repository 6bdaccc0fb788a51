"""The bucket against a simulated Haravan: the whole leak is used and nobody is throttled. tests/bench/pacing.py runs longer."""

from __future__ import annotations

import pytest

from service.store.client import RedisClient
from tests.bench.pacing import Case, Simulation, missed

SECONDS = 90


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(("bulk",), 800, shared=True, killed=True), id="bulk-slow-shared-killed"),
        pytest.param(Case(("live",), 100, shared=True, stepped=True), id="live-shared-stepped"),
        pytest.param(Case(("live", "bulk"), 100, killed=True), id="both-killed"),
    ],
)
async def test_the_whole_leak_is_used_and_nobody_is_throttled(redis: RedisClient, case: Case) -> None:
    outcome = await Simulation(redis, case, seed=7).run(SECONDS)

    assert missed(case, outcome, SECONDS) == []
