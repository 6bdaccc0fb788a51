"""The nightly reconcile finds missed webhooks and wrong tags, and repairs the subscription."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from service.domain.customers.customer import OrgId
from service.store.jobs import load_counts, nightly
from service.store.rules import CompiledRulesCache
from service.store.shops import save_first_look
from tests.workers.stage import ORG, VIP, Stage
from workers.haravan.client import open_session
from workers.periodic.nightly import NightlyReconcile, nightly_date

DAY_S = 86_400
HOOK = "http://127.0.0.1:9/webhooks/haravan"


async def no_sleep(_: float) -> None:
    """Return at once."""


MakeNightly = Callable[[], NightlyReconcile]


@pytest.fixture
async def make_nightly(stage: Stage) -> AsyncIterator[MakeNightly]:
    """Makes the nightly reconcile of one more worker."""
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
                sleep=no_sleep,
            )

        yield make


async def the_next_night(stage: Stage, make_nightly: MakeNightly) -> int:
    """Let a day pass. Returns how many runs were completed."""
    stage.clock.advance(DAY_S)
    return await make_nightly().run()


async def repairs(stage: Stage) -> dict[str, float]:
    await stage.drain.counters.flush()
    shared = await load_counts(stage.redis)
    return {
        dict(counter.labels)["cause"]: counter.value
        for counter in shared.counts
        if counter.name == "reconcile_repairs"
    }


async def test_customers_with_a_missed_webhook_are_repaired(stage: Stage, make_nightly: MakeNightly) -> None:
    await make_nightly().run()
    created = stage.haravan.create(total_spent=12_000_000)
    changed = stage.haravan.create(total_spent=5)
    await stage.announce(changed)
    await stage.turn(2)
    stage.haravan.edit(changed, total_spent=12_000_000, announce=False)

    assert await the_next_night(stage, make_nightly) == 1
    await stage.turn(3)

    assert [stage.haravan.tags(customer) for customer in (created, changed)] == [{"VIP"}] * 2
    assert await repairs(stage) == {"unknown_customer": 1, "missed_webhook": 1}


async def test_the_audit_repairs_wrong_tags_of_unchanged_customers(
    stage: Stage, make_nightly: MakeNightly
) -> None:
    await make_nightly().run()
    customer = stage.haravan.create(total_spent=5_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    await stage.publish(VIP.replace("10_000_000", "1_000_000"))  # only the version, without a rollout
    stage.clock.advance(DAY_S)
    await the_next_night(stage, make_nightly)
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"VIP"}
    assert await repairs(stage) == {"missed_write": 1}


async def test_an_unchanged_shadow_decision_is_in_the_ledger_once(
    stage: Stage, make_nightly: MakeNightly
) -> None:
    await stage.shops.set_shadow(ORG, shadow=True)
    customer = stage.haravan.create(total_spent=12_000_000)
    for _ in range(4):  # the first run of a new shop only saves the date
        await the_next_night(stage, make_nightly)
        await stage.turn(2)
    assert await stage.ledger(customer) == ["+VIP"]

    stage.haravan.edit(customer, total_spent=5, announce=False)
    await the_next_night(stage, make_nightly)
    await stage.turn(2)
    stage.haravan.edit(customer, total_spent=12_000_000, announce=False)
    await the_next_night(stage, make_nightly)
    await stage.turn(2)

    assert await stage.ledger(customer) == ["+VIP", "+VIP"]  # the decision was another one in between
    assert await repairs(stage) == {"unknown_customer": 1, "missed_write": 2, "missed_webhook": 2}


async def test_all_workers_together_run_once_a_night(stage: Stage, make_nightly: MakeNightly) -> None:
    await make_nightly().run()
    stage.haravan.create(total_spent=5)
    stage.clock.advance(DAY_S)

    done = await asyncio.gather(*(make_nightly().run() for _ in range(4)))

    assert sum(done) == 1
    assert stage.haravan.calls.count("GET count") == 2  # the reconcile and the audit
    assert await make_nightly().run() == 0


async def test_a_new_shop_has_no_run_in_its_first_night(stage: Stage, make_nightly: MakeNightly) -> None:
    assert await make_nightly().run() == 0
    assert stage.haravan.calls.count() == 0


async def test_one_run_catches_up_all_missed_nights(stage: Stage, make_nightly: MakeNightly) -> None:
    await make_nightly().run()
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.clock.advance(5 * DAY_S)

    assert await the_next_night(stage, make_nightly) == 1
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"VIP"}


async def test_a_paused_shop_catches_up_when_it_is_resumed(stage: Stage, make_nightly: MakeNightly) -> None:
    await make_nightly().run()
    await stage.shops.pause(ORG, reason="by hand", by="test")
    assert await the_next_night(stage, make_nightly) == 0
    assert stage.haravan.calls.count() == 0

    await stage.shops.resume(ORG)

    assert await make_nightly().run() == 1


async def test_a_run_stops_when_the_shop_is_paused(stage: Stage, make_nightly: MakeNightly) -> None:
    await make_nightly().run()
    stage.haravan.populate(120)
    stage.clock.advance(DAY_S)

    async def pause(_: float) -> None:
        if stage.haravan.calls.count() >= 2:
            await stage.shops.pause(ORG, reason="by hand", by="test")

    assert await replace(make_nightly(), sleep=pause).run() == 0
    assert stage.haravan.calls.count() <= 3


async def test_a_failed_run_is_retried_after_ten_minutes(stage: Stage, make_nightly: MakeNightly) -> None:
    await make_nightly().run()
    stage.haravan.faults.fail(502, endpoint="GET *", rate=1)
    assert await the_next_night(stage, make_nightly) == 0
    stage.haravan.faults.clear()

    assert await make_nightly().run() == 0
    assert 0 < await stage.redis.ttl(stage.key("nightly:lock")) <= 600
    await stage.redis.delete(stage.key("nightly:lock"))
    assert await make_nightly().run() == 1


async def test_a_rejected_token_pauses_the_shop_until_it_is_replaced(
    stage: Stage, make_nightly: MakeNightly
) -> None:
    await make_nightly().run()
    stage.haravan.replace_token("another")
    assert await the_next_night(stage, make_nightly) == 0
    assert await stage.state("paused") == "token_rejected"

    stage.haravan.replace_token("token")
    await stage.shops.set_token(ORG, "token")

    assert await make_nightly().run() == 1


async def test_a_run_stops_when_another_worker_has_the_lock(stage: Stage, make_nightly: MakeNightly) -> None:
    await make_nightly().run()
    stage.haravan.populate(120)
    stage.clock.advance(DAY_S)

    async def lose_lock(_: float) -> None:
        await stage.redis.set(stage.key("nightly:lock"), "another's")

    assert await replace(make_nightly(), sleep=lose_lock).run() == 0
    assert await stage.redis.get(stage.key("nightly:lock")) == b"another's"


async def test_a_dropped_subscription_is_made_again(stage: Stage, make_nightly: MakeNightly) -> None:
    stage.haravan.app(HOOK)
    await make_nightly().run()
    await the_next_night(stage, make_nightly)
    assert await _subscribed(stage) is False  # a subscription that never existed is not made

    stage.haravan.shop.app.subscribed = True
    await the_next_night(stage, make_nightly)
    stage.haravan.unsubscribe()
    await the_next_night(stage, make_nightly)

    assert stage.haravan.shop.app.subscribed
    assert await _subscribed(stage)
    await stage.drain.alerts.drain()
    assert await stage.redis.exists(stage.key("alert_sent:subscription_lost"))


async def _subscribed(stage: Stage) -> bool:
    run = await nightly.last_run(stage.redis, ORG)
    assert run is not None
    return run.subscribed


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
def test_a_night_has_the_date_on_which_it_starts(moment: str, timezone: str, night: str) -> None:
    now_ms = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)

    assert date.fromordinal(nightly_date(now_ms, timezone, OrgId("1"))) == date.fromisoformat(night)


def test_the_shops_start_at_different_times() -> None:
    three_ms = int(datetime(2026, 3, 9, 20, 0, tzinfo=UTC).timestamp() * 1000)  # three o'clock in Vietnam

    dates = {nightly_date(three_ms, "Asia/Ho_Chi_Minh", OrgId(str(org))) for org in range(50)}

    assert len(dates) == 2


async def test_unreadable_rules_fail_only_the_run_of_their_shop(
    stage: Stage, make_nightly: MakeNightly
) -> None:
    await make_nightly().run()
    number = await stage.versions.live_number(ORG)
    await stage.redis.hdel(stage.key("versions"), str(number))
    stage.clock.advance(DAY_S)

    assert await replace(make_nightly(), rules_cache=CompiledRulesCache(stage.versions)).run() == 0
    assert await stage.redis.exists(stage.key("nightly:lock"))  # the retry waits


async def test_a_requested_reconcile_reads_what_changed_since_and_is_done_once(
    stage: Stage, make_nightly: MakeNightly
) -> None:
    missed = stage.haravan.create(total_spent=20_000_000)
    await nightly.request_reconciles(stage.redis, [ORG], since_ms=stage.now_ms - 60_000)

    await make_nightly().run()
    await stage.turn(3)

    assert stage.haravan.tags(missed) == {"VIP"}
    assert await nightly.load_requests(stage.redis, ORG) == []


async def test_a_request_stays_until_the_api_answers(stage: Stage, make_nightly: MakeNightly) -> None:
    await nightly.request_reconciles(stage.redis, [ORG], since_ms=1)
    stage.haravan.faults.fail(503)
    await make_nightly().run()
    assert await nightly.load_requests(stage.redis, ORG) == [1]

    stage.haravan.faults.clear()
    await stage.redis.delete(stage.key("nightly:lock"))  # as after its time
    await make_nightly().run()

    assert await nightly.load_requests(stage.redis, ORG) == []


async def test_a_request_of_a_shop_without_rules_waits_for_them(
    stage: Stage, make_nightly: MakeNightly
) -> None:
    await stage.redis.delete(stage.key("live_version"))
    await nightly.request_reconciles(stage.redis, [ORG], since_ms=1)

    await make_nightly().run()

    assert await nightly.load_requests(stage.redis, ORG) == [1]


async def test_a_request_that_comes_during_its_scan_is_not_lost(stage: Stage) -> None:
    await nightly.request_reconciles(stage.redis, [ORG], since_ms=1)
    known = await nightly.load_requests(stage.redis, ORG)
    await nightly.request_reconciles(stage.redis, [ORG], since_ms=2)

    await nightly.close_requests(stage.redis, ORG, known)

    assert await nightly.load_requests(stage.redis, ORG) == [2]


async def test_a_shop_that_nobody_has_read_gets_its_first_look_and_nothing_is_written(
    stage: Stage, make_nightly: MakeNightly
) -> None:
    await save_first_look(stage.redis, ORG, "pending")
    await make_nightly().run()
    customer = stage.haravan.create(total_spent=12_000_000)

    assert await the_next_night(stage, make_nightly) == 1
    await stage.execute_jobs()
    await stage.turn(3)

    assert (await stage.shops.get_or_raise(ORG)).first_look == "waiting"
    assert (stage.wrote(), await stage.is_marked(customer)) == (0, False)
