"""Once a night a shop is looked through: what nobody announced, who is not right, and whether webhooks still come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from service.domain.customers.customer import OrgId
from service.store.jobs import nightly
from service.store.jobs.worker_metrics import load_counts
from tests.workers.stage import ORG, VIP, Stage
from workers.drain.rules_cache import CompiledRulesCache
from workers.haravan.client import open_session
from workers.periodic.nightly import NightlyReconcile, nightly_date

DAY_S = 86_400
HOOK = "http://127.0.0.1:9/webhooks/haravan"


async def at_once(_: float) -> None:
    """No rest."""


Made = Callable[[], NightlyReconcile]


@pytest.fixture
async def made(stage: Stage) -> AsyncIterator[Made]:
    """Makes what one worker has."""
    async with open_session() as session:
        url = (await stage.shops.get_or_raise(ORG)).api_url.rpartition("/")[0]

        def make() -> NightlyReconcile:
            return NightlyReconcile(
                context=stage.context,
                rules_cache=stage.drain.rules_cache,
                rate_limiter=stage.drain.leases.rate_limiter,
                session=session,
                counters=stage.drain.counters,
                alerts=stage.drain.alerts,
                subscribe_url=f"{url}/api/subscribe",
                sleep=at_once,
            )

        yield make


async def the_next_night(stage: Stage, made: Made) -> int:
    """A day passes; how many nights came to their end."""
    stage.clock.advance(DAY_S)
    return await made().run()


async def repairs(stage: Stage) -> dict[str, float]:
    await stage.drain.counters.flush()
    found = await load_counts(stage.redis)
    return {dict(each.labels)["cause"]: each.value for each in found if each.name == "reconcile_repairs"}


async def test_what_no_webhook_told_is_right_the_next_morning(stage: Stage, made: Made) -> None:
    await made().run()
    rich = stage.haravan.create(total_spent=12_000_000)
    changed = stage.haravan.create(total_spent=5)
    await stage.announce(changed)
    await stage.turn(2)
    stage.haravan.edit(changed, total_spent=12_000_000, announce=False)

    assert await the_next_night(stage, made) == 1
    await stage.turn(3)

    assert [stage.haravan.tags(each) for each in (rich, changed)] == [{"VIP"}] * 2
    assert await repairs(stage) == {"unknown_customer": 1, "missed_webhook": 1}


async def test_the_audit_finds_what_is_wrong_though_nothing_changed_since(stage: Stage, made: Made) -> None:
    await made().run()
    customer = stage.haravan.create(total_spent=5_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    await stage.publish(VIP.replace("10_000_000", "1_000_000"))  # the version alone, without its marks
    stage.clock.advance(DAY_S)
    await the_next_night(stage, made)
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"VIP"}
    assert await repairs(stage) == {"missed_write": 1}


async def test_what_shadow_mode_decides_every_night_stands_in_the_ledger_once(
    stage: Stage, made: Made
) -> None:
    await stage.shops.set_shadow(ORG, shadow=True)
    customer = stage.haravan.create(total_spent=12_000_000)
    for _ in range(4):  # the first is no night yet, so three of them decide
        await the_next_night(stage, made)
        await stage.turn(2)
    assert await stage.ledger(customer) == ["+VIP"]

    stage.haravan.edit(customer, total_spent=5, announce=False)
    await the_next_night(stage, made)
    await stage.turn(2)
    stage.haravan.edit(customer, total_spent=12_000_000, announce=False)
    await the_next_night(stage, made)
    await stage.turn(2)

    assert await stage.ledger(customer) == ["+VIP", "+VIP"]  # it was decided otherwise in between
    assert await repairs(stage) == {"unknown_customer": 1, "missed_write": 2, "missed_webhook": 2}


async def test_a_shop_is_looked_through_once_a_night_by_all_workers_together(
    stage: Stage, made: Made
) -> None:
    await made().run()
    stage.haravan.create(total_spent=5)
    stage.clock.advance(DAY_S)

    done = await asyncio.gather(*(made().run() for _ in range(4)))

    assert sum(done) == 1
    assert stage.haravan.calls.count("GET count") == 2  # one of the reconcile, one of the audit
    assert await made().run() == 0


async def test_a_new_shop_has_its_first_night_only_the_night_after(stage: Stage, made: Made) -> None:
    assert await made().run() == 0
    assert stage.haravan.calls.count() == 0


async def test_nights_that_were_missed_are_one_and_reach_back_to_the_last(stage: Stage, made: Made) -> None:
    await made().run()
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.clock.advance(5 * DAY_S)

    assert await the_next_night(stage, made) == 1
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"VIP"}


async def test_a_paused_shop_has_no_night_and_catches_up(stage: Stage, made: Made) -> None:
    await made().run()
    await stage.shops.pause(ORG, reason="by hand", by="test")
    assert await the_next_night(stage, made) == 0
    assert stage.haravan.calls.count() == 0

    await stage.shops.resume(ORG)

    assert await made().run() == 1


async def test_a_night_ends_where_the_shop_is_paused_meanwhile(stage: Stage, made: Made) -> None:
    await made().run()
    stage.haravan.populate(120)
    stage.clock.advance(DAY_S)

    async def pause(_: float) -> None:
        if stage.haravan.calls.count() >= 2:
            await stage.shops.pause(ORG, reason="by hand", by="test")

    assert await replace(made(), sleep=pause).run() == 0
    assert stage.haravan.calls.count() <= 3


async def test_a_night_that_failed_is_tried_again_and_not_at_once(stage: Stage, made: Made) -> None:
    await made().run()
    stage.haravan.faults.fail(502, endpoint="GET *", rate=1)
    assert await the_next_night(stage, made) == 0
    stage.haravan.faults.clear()

    assert await made().run() == 0
    assert 0 < await stage.redis.ttl(stage.key("nightly:lock")) <= 600
    await stage.redis.delete(stage.key("nightly:lock"))
    assert await made().run() == 1


async def test_a_refused_token_pauses_the_shop_and_is_probed(stage: Stage, made: Made) -> None:
    await made().run()
    stage.haravan.replace_token("another")
    assert await the_next_night(stage, made) == 0
    assert await stage.state("paused") == "token_rejected"

    stage.haravan.replace_token("token")
    await stage.shops.set_token(ORG, "token")

    assert await made().run() == 1


async def test_a_worker_that_stood_still_leaves_the_night_to_the_one_that_took_it(
    stage: Stage, made: Made
) -> None:
    await made().run()
    stage.haravan.populate(120)
    stage.clock.advance(DAY_S)

    async def stand_still(_: float) -> None:
        await stage.redis.set(stage.key("nightly:lock"), "another's")

    assert await replace(made(), sleep=stand_still).run() == 0
    assert await stage.redis.get(stage.key("nightly:lock")) == b"another's"


async def test_a_subscription_that_was_dropped_is_made_again(stage: Stage, made: Made) -> None:
    stage.haravan.app(HOOK)
    await made().run()
    await the_next_night(stage, made)
    assert await _subscribed(stage) is False  # it never was: nobody asked for one

    stage.haravan.shop.app.subscribed = True
    await the_next_night(stage, made)
    stage.haravan.unsubscribe()
    await the_next_night(stage, made)

    assert stage.haravan.shop.app.subscribed
    assert await _subscribed(stage)
    await stage.drain.alerts.drain()
    assert await stage.redis.exists(stage.key("alert_sent:subscription_lost"))


async def _subscribed(stage: Stage) -> bool:
    night = await nightly.last_run(stage.redis, ORG)
    assert night is not None
    return night.subscribed


@pytest.mark.parametrize(
    ("moment", "timezone", "night"),
    [
        pytest.param("2026-03-10T12:00", "Asia/Ho_Chi_Minh", "2026-03-10", id="in the evening the last one"),
        pytest.param("2026-03-09T18:59", "Asia/Ho_Chi_Minh", "2026-03-09", id="before two at night"),
        pytest.param("2026-03-09T21:00", "Asia/Ho_Chi_Minh", "2026-03-10", id="after four at night"),
        pytest.param("2026-03-29T00:59", "Europe/Berlin", "2026-03-28", id="before the lost hour"),
        pytest.param("2026-03-29T02:00", "Europe/Berlin", "2026-03-29", id="after the lost hour"),
        pytest.param("2026-10-25T03:00", "Europe/Berlin", "2026-10-25", id="after the doubled hour"),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(moment: str, timezone: str, night: str) -> None:
    now_ms = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)

    assert date.fromordinal(nightly_date(now_ms, timezone, OrgId("1"))) == date.fromisoformat(night)


def test_not_all_nights_begin_at_once() -> None:
    two = int(datetime(2026, 3, 9, 20, 0, tzinfo=UTC).timestamp() * 1000)  # three o'clock in Vietnam

    nights_on = {nightly_date(two, "Asia/Ho_Chi_Minh", OrgId(str(org))) for org in range(50)}

    assert len(nights_on) == 2


async def test_rules_that_cannot_be_read_end_the_night_of_their_shop_alone(stage: Stage, made: Made) -> None:
    await made().run()
    number = await stage.versions.live_number(ORG)
    await stage.redis.hdel(stage.key("versions"), str(number))
    stage.clock.advance(DAY_S)

    assert await replace(made(), rules_cache=CompiledRulesCache(stage.versions)).run() == 0
    assert await stage.redis.exists(stage.key("nightly:lock"))  # again, but not at once
