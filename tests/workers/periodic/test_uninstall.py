"""An app that is said to be uninstalled: believed after two refusals an hour apart, forgotten after a week."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from service.domain.customers.customer import OrgId
from service.errors import NotFound
from service.store.client import keys
from service.store.jobs import pending
from service.store.shops import deletion, uninstall
from service.store.shops.deletion import KEPT_KEYS
from tests.workers.stage import ORG, Stage
from tests.workers.stepping import Steps
from workers.periodic.uninstall import UninstallMonitor

pytestmark = pytest.mark.timeout(900)
HOUR_S, DAY_S = 3_600, 86_400
TOLD = b'{"id": 1000000001}'


@pytest.fixture
def uninstalls(stage: Stage) -> UninstallMonitor:
    drain = stage.drain
    return UninstallMonitor(stage.context, drain.leases.rate_limiter, drain.session, drain.alerts)


async def is_uninstalled(stage: Stage) -> None:
    """As the merchant does it: Haravan tells us, and refuses the token from then on."""
    stage.haravan.uninstall()
    await stage.deliver(TOLD, topic="app/uninstalled")


async def hours(
    stage: Stage, uninstalls: UninstallMonitor, *, number: float = 1, step_s: float = HOUR_S
) -> None:
    """Time passes, and a worker looks every so often."""
    for _ in range(int(number * HOUR_S / step_s)):
        stage.clock.advance(step_s)
        await uninstalls.run()


async def paused(stage: Stage) -> str:
    return (await stage.shops.get_or_raise(ORG)).paused


async def known(stage: Stage) -> bool:
    return ORG in await uninstall.load_uninstalls(stage.redis, [ORG])


async def alerted(stage: Stage, kind: str) -> bool:
    await stage.drain.alerts.drain()
    return bool(await stage.redis.exists(stage.key(f"alert_sent:{kind}")))


async def names(stage: Stage) -> set[str]:
    """What is stored of the shop, without what alerts remember."""
    found = {each.decode().removeprefix(stage.key("")) for each in await stage.redis.keys(stage.key("*"))}
    return {each for each in found if not each.startswith("alert_sent:")}


async def test_it_is_paused_after_two_refusals_an_hour_apart_and_erased_a_week_later(
    stage: Stage, uninstalls: UninstallMonitor
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    await is_uninstalled(stage)

    await uninstalls.run()
    assert await paused(stage) == ""
    await hours(stage, uninstalls, number=0.9, step_s=60)
    assert await paused(stage) == ""
    await hours(stage, uninstalls, number=0.2, step_s=60)
    assert await paused(stage) == "uninstalled"
    assert await alerted(stage, "app_uninstalled")
    await hours(stage, uninstalls, number=7 * 24 - 1)
    assert await stage.redis.hexists(stage.key("snapshots"), str(customer))
    await hours(stage, uninstalls, number=2)

    assert await stage.shops.orgs() == ()
    assert await names(stage) == {"owned", "live_version", "versions", "inherited", "documents"}
    assert {0 < await stage.redis.ttl(stage.key(each)) <= 30 * DAY_S for each in await names(stage)} == {True}
    assert await alerted(stage, "shop_erased")


async def test_whose_shop_comes_back_after_the_erasure_finds_its_rules_and_what_is_ours(
    stage: Stage, uninstalls: UninstallMonitor
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    shop = await stage.shops.get_or_raise(ORG)
    await is_uninstalled(stage)
    await hours(stage, uninstalls, number=8 * 24)

    stage.haravan.install("anew")
    await stage.shops.add(replace(shop, token="anew"))
    stage.haravan.edit(customer, total_spent=1)
    await stage.announce(customer)
    await stage.turn(2)

    assert stage.haravan.tags(customer) == set()
    assert {await stage.redis.ttl(stage.key(each)) for each in KEPT_KEYS} <= {-1, -2}


async def test_a_hint_that_is_not_true_costs_a_call(stage: Stage, uninstalls: UninstallMonitor) -> None:
    await stage.deliver(TOLD, topic="app/uninstalled")

    await hours(stage, uninstalls, number=3, step_s=60)

    assert not await known(stage)
    assert await paused(stage) == ""
    assert stage.haravan.calls.count("GET count") == 1


async def test_without_an_answer_nothing_is_believed(stage: Stage, uninstalls: UninstallMonitor) -> None:
    stage.haravan.faults.fail(503, endpoint="GET *", rate=1)
    await stage.deliver(TOLD, topic="app/uninstalled")

    await hours(stage, uninstalls, number=9 * 24)

    assert await known(stage)
    assert await paused(stage) == ""


@pytest.mark.parametrize("number", [0.1, 3, 6 * 24], ids=["refused once", "paused", "nearly erased"])
async def test_a_new_token_ends_it(stage: Stage, uninstalls: UninstallMonitor, number: float) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await is_uninstalled(stage)
    await uninstalls.run()
    await hours(stage, uninstalls, number=number, step_s=360)

    stage.haravan.install("anew")
    await stage.shops.set_token(ORG, "anew")

    assert not await known(stage)
    assert await paused(stage) == ""
    await hours(stage, uninstalls, number=8 * 24)
    await stage.announce(customer)
    await stage.turn(2)
    assert stage.haravan.tags(customer) == {"VIP"}


async def test_a_token_that_is_good_again_ends_it(stage: Stage, uninstalls: UninstallMonitor) -> None:
    token = stage.haravan.token
    await is_uninstalled(stage)
    await hours(stage, uninstalls, number=5)
    assert await paused(stage) == "uninstalled"

    stage.haravan.install(token)
    await hours(stage, uninstalls, number=1)

    assert not await known(stage)
    assert await paused(stage) == ""


async def test_a_refused_token_is_called_uninstalled_once_that_is_sure(
    stage: Stage, uninstalls: UninstallMonitor
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await is_uninstalled(stage)
    await stage.announce(customer)
    await stage.turn()
    assert await paused(stage) == "token_rejected"

    await hours(stage, uninstalls, number=2, step_s=600)

    assert await paused(stage) == "uninstalled"
    assert await stage.is_marked(customer)


async def test_a_pause_by_hand_keeps_its_reason_and_the_shop_is_erased_all_the_same(
    stage: Stage, uninstalls: UninstallMonitor
) -> None:
    await stage.shops.pause(ORG, reason="by hand", by="lan")
    await is_uninstalled(stage)
    await hours(stage, uninstalls, number=3)
    assert await paused(stage) == "by hand"

    await hours(stage, uninstalls, number=8 * 24)

    assert await stage.shops.orgs() == ()


async def test_whoever_has_the_shop_work_again_keeps_what_is_stored(
    stage: Stage, uninstalls: UninstallMonitor
) -> None:
    await is_uninstalled(stage)
    await hours(stage, uninstalls, number=3)

    await stage.shops.resume(ORG)
    await hours(stage, uninstalls, number=9 * 24)

    assert await stage.shops.orgs() == (ORG,)


@pytest.mark.parametrize("sure", [False, True], ids=["as it is paused", "as it is erased"])
async def test_at_every_await_of_a_look_a_new_token_may_come(
    stage: Stage, uninstalls: UninstallMonitor, sure: bool
) -> None:
    shop, waits = await stage.shops.get_or_raise(ORG), 0
    stage.haravan.uninstall()
    while True:
        waits += 1
        long_ago = stage.now_ms - 8 * DAY_S * 1000
        values = (long_ago, long_ago, long_ago if sure else 0, 0)
        await stage.redis.hset(stage.key("state"), mapping=dict(zip(uninstall.FIELDS, values, strict=True)))
        came: list[bool] = []
        steps = Steps(waits, lambda _, came=came: installed(stage, came))
        await steps.drive(uninstalls.run())

        where = f"wait {waits} of {steps.seen}"
        if came == [True]:
            assert (await stage.shops.get_or_raise(ORG)).token == "anew", where
            assert await paused(stage) == "", where
            assert not await known(stage), where
        else:
            assert await stage.shops.orgs() == (() if sure else (ORG,)), where
        if steps.seen < waits:
            break
        await stage.shops.remove(ORG, erase=True)
        await stage.shops.add(shop)


async def installed(stage: Stage, came: list[bool]) -> None:
    try:
        await stage.shops.set_token(ORG, "anew")
        came.append(True)
    except NotFound:
        came.append(False)


async def test_all_workers_together_ask_no_more_often_than_one(
    stage: Stage, uninstalls: UninstallMonitor
) -> None:
    await is_uninstalled(stage)

    with capture_logs() as said:
        for _ in range(3):
            await uninstalls.run()

    assert [each["outcome"] for each in said if each["event"] == "uninstall_check"] == ["rejected"]


async def test_what_came_after_the_erasure_is_erased_within_hours(
    stage: Stage, uninstalls: UninstallMonitor
) -> None:
    await is_uninstalled(stage)
    await hours(stage, uninstalls, number=8 * 24)
    await stage.execute_jobs()
    await stage.mark(7)  # by a process that had not noticed yet
    assert await stage.execute_jobs() == 0
    assert await stage.redis.exists(stage.key("mark:7"))

    stage.clock.advance(2 * HOUR_S)
    assert await stage.execute_jobs() == 1

    assert not await stage.redis.exists(stage.key("mark:7"), stage.key("ready:bulk"))
    assert await stage.redis.exists(stage.key("versions"))
    assert await pending.list_jobs(stage.redis) == []


async def test_of_a_shop_that_was_added_again_nothing_more_is_erased(stage: Stage) -> None:
    shop = await stage.shops.get_or_raise(ORG)
    await stage.shops.remove(ORG, erase=True)
    [job] = await pending.list_jobs(stage.redis)
    await stage.shops.add(shop)
    assert await pending.list_jobs(stage.redis) == []
    await stage.mark(7)
    await pending.save(stage.redis, job)  # by one that came too late

    for _ in range(2):
        stage.clock.advance(2 * HOUR_S)
        await stage.execute_jobs()

    assert await stage.is_marked(7)
    assert await pending.list_jobs(stage.redis) == []


async def test_a_shop_whose_removal_was_interrupted_is_erased_to_its_end(stage: Stage) -> None:
    await stage.mark(7)
    other = keys.shop(OrgId("1000000002"), "snapshots")
    await stage.redis.hset(other, "7", "another's")
    await stage.redis.srem(keys.partition_key(ORG, "shops"), ORG)
    await stage.redis.delete(stage.key("shop"))
    await pending.save(stage.redis, deletion.erasure_job(ORG, everything=True, due_ms=stage.now_ms + 10_000))
    await stage.execute_jobs()
    assert await stage.is_marked(7)  # whoever removes it may still be at it

    stage.clock.advance(11)
    await stage.execute_jobs()

    assert await names(stage) == set()
    assert await stage.redis.exists(other)
