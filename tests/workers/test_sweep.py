"""The sweep: what was lost is rung for, what is due is marked, publishes are looked after."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from service.store import keys, runs
from service.store.publishing import UNFINISHED
from service.store.versions import Versions
from tests.workers.stage import ORG, VIP, Stage

MONTH = """
version: 1
rules:
  - {id: dormant, tag: Ngủ đông, when: {field: last_order_date, op: more_than_ago, value: 90 days}}
"""


async def test_a_shop_whose_wake_up_was_lost_is_rung_for_once(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=5)
    await stage.mark(customer)
    await stage.redis.delete("tagger:queue:drain", stage.key("wakeup_pending"))
    stage.clock.advance(6)

    assert await stage.sweep.ring_for_the_due() == 1
    assert await stage.sweep.ring_for_the_due() == 0


async def test_whoever_is_due_by_the_shops_day_is_marked_however_late_the_sweep_comes(stage: Stage) -> None:
    await stage.publish(MONTH)
    customer = stage.haravan.create(first_name="Ánh")
    stage.haravan.order(customer, 100_000)
    await stage.announce(customer)
    await stage.turn(2)
    assert stage.haravan.tags(customer) == set()

    stage.clock.advance(200 * keys.DAY_S)
    assert await stage.sweep.mark_by_calendar() == 1
    assert await stage.sweep.mark_by_calendar() == 0
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"Ngủ đông"}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"], ids=["ahead", "behind"])
async def test_a_day_begins_when_it_does_where_the_rules_are_counted(stage: Stage, zone: str) -> None:
    await stage.publish(MONTH.replace("version: 1", f"version: 1\ntimezone: {zone}"))
    at_noon = datetime.now(ZoneInfo(zone)).replace(hour=12, minute=0, second=0) + timedelta(days=3)
    stage.clock.advance(at_noon.timestamp() - stage.clock())
    customer = stage.haravan.create(first_name="Ánh")
    stage.haravan.order(customer, 100_000)
    await stage.announce(customer)
    await stage.turn(2)
    midnight = (at_noon + timedelta(days=91)).replace(hour=0)

    stage.clock.advance(midnight.timestamp() - 60 - stage.clock())
    assert await stage.sweep.mark_by_calendar() == 0
    stage.clock.advance(120)
    assert await stage.sweep.mark_by_calendar() == 1
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"Ngủ đông"}


async def test_a_publish_that_takes_more_than_it_said_is_stopped(stage: Stage) -> None:
    run = await runs.start(
        stage.redis, ORG, [], kind="publish", by="test", reason="publish", now_ms=stage.now_ms
    )
    key = stage.key(f"run:{run.id}")
    await stage.redis.hset(key, mapping={"may_remove": 10, "removed": 31})
    await stage.redis.sadd(f"{key}:left", "7")

    await stage.sweep.mark_by_calendar()

    assert await stage.state("removals_paused") == f"publish {run.id}"


async def test_a_publish_whose_process_died_before_its_marks_is_carried_out(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=5_000_000)
    await stage.mark(customer)
    await stage.turn()
    number = await stage.publish(
        VIP.replace("10_000_000", "1_000_000")
    )  # the version alone, without its marks
    await stage.redis.hset(stage.key("state"), UNFINISHED, str(number))

    stage.clock.advance(400)
    await stage.sweep.mark_by_calendar()
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"VIP"}
    assert (await Versions(stage.redis).live_number(ORG)) == number
