"""The model of capacity: linear in what it is asked for, and the inverse of what calibrates it."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest

from tests.bench.capacity import Costs, Demand, Limits, Measured, Size, calibrate, plan, predict

COSTS = Costs(800_000, 10_000, 600, 300, 200, 6_000, 150, 50, 20, 9_000, 3_000)
DEMAND = Demand(100_000, 200, 2_000, 0.25, 30)


def measured(size: Size) -> Measured:
    """A run that used what the model says."""
    usage = predict(COSTS, size)
    before_mb = (COSTS.base_bytes + size.shops * 4_000) / 1e6  # a shop without webhooks has less
    return Measured(size, usage, before_mb, usage.memory_mb - size.all_customers * COSTS.delivery_bytes / 1e6)


def test_two_runs_that_use_what_the_model_says_lead_to_its_costs() -> None:
    costs = calibrate(measured(Size(100, 20)), measured(Size(400, 5)))

    assert astuple(costs) == pytest.approx(astuple(COSTS))


def test_what_is_twice_as_large_needs_twice_as_much() -> None:
    once = plan(COSTS, DEMAND, Limits(64))
    twice = plan(COSTS, replace(DEMAND, shops=200_000, events_per_s=4_000), Limits(64))

    assert twice.memory_gb == pytest.approx(2 * once.memory_gb)
    for name in ("shards", "webs", "workers"):
        assert getattr(twice, name) == pytest.approx(2 * getattr(once, name), abs=2)


def test_memory_or_cpu_decides_how_many_shards_there_are() -> None:
    by_cpu = plan(COSTS, DEMAND, Limits(10_000))
    by_memory = plan(COSTS, DEMAND, Limits(1))

    assert by_cpu.shards == pytest.approx(by_cpu.store_cores / 0.5, abs=1)
    assert by_memory.shards == pytest.approx(by_memory.memory_gb / 0.6, abs=1)
