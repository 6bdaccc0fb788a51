"""The sweep: shops are woken, scheduled customers are enqueued, and overruns are stopped."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from service.store.client import keys
from service.store.history import TagChanges, TagOfRule, day_counts
from service.store.jobs import runs
from tests.workers.stage import ORG, Stage

MONTH = """
version: 1
rules:
  - {id: dormant, tag: Ngủ đông, when: {field: last_order_date, op: more_than_ago, value: 90 days}}
"""


async def test_a_shop_whose_wake_up_was_lost_is_woken_once(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=5)
    await stage.mark(customer)
    await stage.redis.queue.delete("tagger:queue:drain")
    await stage.redis.delete(stage.key("wakeup_pending"))
    stage.clock.advance(6)

    assert await stage.sweep.wake_due_shops() == 1
    assert await stage.sweep.wake_due_shops() == 0


async def test_scheduled_customers_are_enqueued_however_late_the_sweep_runs(stage: Stage) -> None:
    await stage.publish(MONTH)
    customer = stage.haravan.create(first_name="Ánh")
    stage.haravan.order(customer, 100_000)
    await stage.announce(customer)
    await stage.turn(2)
    assert stage.haravan.tags(customer) == set()

    stage.clock.advance(200 * keys.DAY_S)
    assert await stage.sweep.check_shops() == 1
    assert await stage.sweep.check_shops() == 0
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"Ngủ đông"}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"], ids=["ahead", "behind"])
async def test_a_day_starts_in_the_time_zone_of_the_rules(stage: Stage, zone: str) -> None:
    await stage.publish(MONTH.replace("version: 1", f"version: 1\ntimezone: {zone}"))
    at_noon = datetime.now(ZoneInfo(zone)).replace(hour=12, minute=0, second=0) + timedelta(days=3)
    stage.clock.advance(at_noon.timestamp() - stage.clock())
    customer = stage.haravan.create(first_name="Ánh")
    stage.haravan.order(customer, 100_000)
    await stage.announce(customer)
    await stage.turn(2)
    midnight = (at_noon + timedelta(days=91)).replace(hour=0)

    stage.clock.advance(midnight.timestamp() - 60 - stage.clock())
    assert await stage.sweep.check_shops() == 0
    stage.clock.advance(120)
    assert await stage.sweep.check_shops() == 1
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"Ngủ đông"}


async def test_a_publish_that_removes_more_than_its_preview_is_stopped(stage: Stage) -> None:
    run = await runs.create(
        stage.redis, ORG, kind="publish", by="test", reason="publish", now_ms=stage.now_ms
    )
    key = stage.key(f"run:{run}")
    await stage.redis.hset(key, mapping={"may_remove": 10, "removed": 31})
    await stage.redis.sadd(f"{key}:remaining", "7")

    await stage.sweep.check_shops()

    assert await stage.state("removals_paused") == f"publish {run}"


async def test_a_day_says_what_the_drain_wrote_and_how_many_calls_it_took(stage: Stage) -> None:
    rich = [stage.haravan.create(total_spent=20_000_000) for _ in range(3)]
    for customer in rich:
        await stage.announce(customer)
    await stage.sweep.check_shops()  # three wait
    await stage.turn(2)
    stage.haravan.edit(rich[0], total_spent=5)
    await stage.announce(rich[0])
    await stage.turn(2)

    await stage.sweep.check_shops()

    today = datetime.fromtimestamp(stage.clock(), ZoneInfo("Asia/Ho_Chi_Minh")).toordinal()
    [day] = await day_counts.load_days(stage.redis, ORG, last=today, days=1)
    assert day.changes == {TagOfRule("vip", "VIP"): TagChanges(3, 1)}
    assert (day.live_calls, day.bulk_calls, day.backlog) == (stage.haravan.calls.count(), 0, 3)


async def test_what_shadow_mode_decides_is_no_change(stage: Stage) -> None:
    await stage.redis.hset(stage.key("shop"), "shadow", "1")
    customer = stage.haravan.create(total_spent=20_000_000)
    await stage.announce(customer)
    await stage.turn(2)

    today = datetime.fromtimestamp(stage.clock(), ZoneInfo("Asia/Ho_Chi_Minh")).toordinal()
    [day] = await day_counts.load_days(stage.redis, ORG, last=today, days=1)
    assert await stage.ledger(customer) == ["+VIP"]
    assert day.changes == {}
