"""Permits of writes: the removal guard."""

from __future__ import annotations

from tests.workers.stage import Stage, drain_all


async def test_beyond_the_removal_guard_removals_stop_and_additions_continue(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(70)]
    await stage.mark(*customers)
    await drain_all(stage, "bulk", max_drains=60)
    stage.haravan.faults.null_fields = frozenset({"total_spent"})
    await stage.mark(*customers, cause="audit")
    await stage.turn(40)
    tagged = sum(stage.haravan.tags(customer) == {"VIP"} for customer in customers)

    stage.haravan.faults.clear()
    added = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(added)
    await stage.turn(3)

    await stage.drain.alerts.drain()
    assert tagged == 20
    assert await stage.state("removals_paused") == "removal_guard"
    assert stage.haravan.tags(added) == {"VIP"}
    assert await stage.redis.exists(stage.key("alert_sent:removal_guard_tripped"))
