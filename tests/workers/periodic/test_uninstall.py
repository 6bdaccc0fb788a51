"""An app that is reported as uninstalled: confirmed by two rejections an hour apart, erased after a week."""

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
REPORT = b'{"id": 1000000001}'


@pytest.fixture
def uninstalls(stage: Stage) -> UninstallMonitor:
    drain = stage.drain
    return UninstallMonitor(stage.context, drain.leases.rate_limiter, drain.session, drain.alerts)


async def report_uninstall(stage: Stage) -> None:
    """Uninstall the app in the shop: Haravan sends a webhook, and rejects the token from then on."""
    stage.haravan.uninstall()
    await stage.deliver(REPORT, topic="app/uninstalled")


async def pass_hours(
    stage: Stage, uninstalls: UninstallMonitor, *, number: float = 1, step_s: float = HOUR_S
) -> None:
    """Let hours pass, with a pass of the monitor every `step_s` seconds."""
    for _ in range(int(number * HOUR_S / step_s)):
        stage.clock.advance(step_s)
        await uninstalls.run()


async def paused(stage: Stage) -> str:
    return (await stage.shops.get_or_raise(ORG)).paused


async def is_reported(stage: Stage) -> bool:
    return ORG in await uninstall.load_uninstalls(stage.redis, [ORG])


async def alerted(stage: Stage, kind: str) -> bool:
    await stage.drain.alerts.drain()
    return bool(await stage.redis.exists(stage.key(f"alert_sent:{kind}")))


async def stored_keys(stage: Stage) -> set[str]:
    """The stored keys of the shop, without those of alerts."""
    names = {key.decode().removeprefix(stage.key("")) for key in await stage.redis.keys(stage.key("*"))}
    return {name for name in names if not name.startswith("alert_sent:")}


async def test_a_shop_is_paused_after_two_rejections_an_hour_apart_and_erased_a_week_later(
    stage: Stage, uninstalls: UninstallMonitor
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    await report_uninstall(stage)

    await uninstalls.run()
    assert await paused(stage) == ""
    await pass_hours(stage, uninstalls, number=0.9, step_s=60)
    assert await paused(stage) == ""
    await pass_hours(stage, uninstalls, number=0.2, step_s=60)
    assert await paused(stage) == "uninstalled"
    assert await alerted(stage, "app_uninstalled")
    await pass_hours(stage, uninstalls, number=7 * 24 - 1)
    assert await stage.redis.hexists(stage.key("snapshots"), str(customer))
    await pass_hours(stage, uninstalls, number=2)

    assert await stage.shops.orgs() == ()
    assert await stored_keys(stage) == {"owned", "live_version", "versions", "inherited", "documents"}
    assert {
        0 < await stage.redis.ttl(stage.key(name)) <= 30 * DAY_S for name in await stored_keys(stage)
    } == {True}
    assert await alerted(stage, "shop_erased")


async def test_a_shop_that_is_added_after_the_erasure_has_its_rules_and_ownership(
    stage: Stage, uninstalls: UninstallMonitor
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    shop = await stage.shops.get_or_raise(ORG)
    await report_uninstall(stage)
    await pass_hours(stage, uninstalls, number=8 * 24)

    stage.haravan.install("new-token")
    await stage.shops.add(replace(shop, token="new-token"))
    stage.haravan.edit(customer, total_spent=1)
    await stage.announce(customer)
    await stage.turn(2)

    assert stage.haravan.tags(customer) == set()
    assert {await stage.redis.ttl(stage.key(name)) for name in KEPT_KEYS} <= {-1, -2}


async def test_a_false_report_costs_one_call(stage: Stage, uninstalls: UninstallMonitor) -> None:
    await stage.deliver(REPORT, topic="app/uninstalled")

    await pass_hours(stage, uninstalls, number=3, step_s=60)

    assert not await is_reported(stage)
    assert await paused(stage) == ""
    assert stage.haravan.calls.count("GET count") == 1


async def test_without_a_response_the_report_is_not_confirmed(
    stage: Stage, uninstalls: UninstallMonitor
) -> None:
    stage.haravan.faults.fail(503, endpoint="GET *", rate=1)
    await stage.deliver(REPORT, topic="app/uninstalled")

    await pass_hours(stage, uninstalls, number=9 * 24)

    assert await is_reported(stage)
    assert await paused(stage) == ""


@pytest.mark.parametrize("number", [0.1, 3, 6 * 24], ids=["rejected once", "paused", "nearly erased"])
async def test_a_new_token_ends_the_uninstall(
    stage: Stage, uninstalls: UninstallMonitor, number: float
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await report_uninstall(stage)
    await uninstalls.run()
    await pass_hours(stage, uninstalls, number=number, step_s=360)

    stage.haravan.install("new-token")
    await stage.shops.set_token(ORG, "new-token")

    assert not await is_reported(stage)
    assert await paused(stage) == ""
    await pass_hours(stage, uninstalls, number=8 * 24)
    await stage.announce(customer)
    await stage.turn(2)
    assert stage.haravan.tags(customer) == {"VIP"}


async def test_an_accepted_token_ends_the_uninstall(stage: Stage, uninstalls: UninstallMonitor) -> None:
    token = stage.haravan.token
    await report_uninstall(stage)
    await pass_hours(stage, uninstalls, number=5)
    assert await paused(stage) == "uninstalled"

    stage.haravan.install(token)
    await pass_hours(stage, uninstalls, number=1)

    assert not await is_reported(stage)
    assert await paused(stage) == ""


async def test_the_reason_of_the_pause_becomes_uninstalled_once_it_is_confirmed(
    stage: Stage, uninstalls: UninstallMonitor
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await report_uninstall(stage)
    await stage.announce(customer)
    await stage.turn()
    assert await paused(stage) == "token_rejected"

    await pass_hours(stage, uninstalls, number=2, step_s=600)

    assert await paused(stage) == "uninstalled"
    assert await stage.is_marked(customer)


async def test_a_manual_pause_keeps_its_reason_and_does_not_prevent_the_erasure(
    stage: Stage, uninstalls: UninstallMonitor
) -> None:
    await stage.shops.pause(ORG, reason="by hand", by="lan")
    await report_uninstall(stage)
    await pass_hours(stage, uninstalls, number=3)
    assert await paused(stage) == "by hand"

    await pass_hours(stage, uninstalls, number=8 * 24)

    assert await stage.shops.orgs() == ()


async def test_resuming_the_shop_prevents_the_erasure(stage: Stage, uninstalls: UninstallMonitor) -> None:
    await report_uninstall(stage)
    await pass_hours(stage, uninstalls, number=3)

    await stage.shops.resume(ORG)
    await pass_hours(stage, uninstalls, number=9 * 24)

    assert await stage.shops.orgs() == (ORG,)


@pytest.mark.parametrize("confirmed", [False, True], ids=["while it is paused", "while it is erased"])
async def test_a_new_token_at_any_await_of_a_check_ends_the_uninstall_or_the_shop_is_erased(
    stage: Stage, uninstalls: UninstallMonitor, confirmed: bool
) -> None:
    shop, waits = await stage.shops.get_or_raise(ORG), 0
    stage.haravan.uninstall()
    while True:
        waits += 1
        long_ago = stage.now_ms - 8 * DAY_S * 1000
        values = (long_ago, long_ago, long_ago if confirmed else 0, 0)
        await stage.redis.hset(stage.key("state"), mapping=dict(zip(uninstall.FIELDS, values, strict=True)))
        stored: list[bool] = []
        steps = Steps(waits, lambda _, stored=stored: replace_token(stage, stored))
        await steps.drive(uninstalls.run())

        where = f"wait {waits} of {steps.seen}"
        if stored == [True]:
            assert (await stage.shops.get_or_raise(ORG)).token == "new-token", where
            assert await paused(stage) == "", where
            assert not await is_reported(stage), where
        else:
            assert await stage.shops.orgs() == (() if confirmed else (ORG,)), where
        if steps.seen < waits:
            break
        await stage.shops.remove(ORG, erase=True)
        await stage.shops.add(shop)


async def replace_token(stage: Stage, stored: list[bool]) -> None:
    try:
        await stage.shops.set_token(ORG, "new-token")
        stored.append(True)
    except NotFound:
        stored.append(False)


async def test_all_workers_together_send_one_probe(stage: Stage, uninstalls: UninstallMonitor) -> None:
    await report_uninstall(stage)

    with capture_logs() as logs:
        for _ in range(3):
            await uninstalls.run()

    assert [line["outcome"] for line in logs if line["event"] == "uninstall_check"] == ["rejected"]


async def test_data_that_is_stored_after_the_erasure_is_erased_within_hours(
    stage: Stage, uninstalls: UninstallMonitor
) -> None:
    await report_uninstall(stage)
    await pass_hours(stage, uninstalls, number=8 * 24)
    await stage.execute_jobs()
    await stage.mark(7)  # by a process that still has the shop in its cache
    assert await stage.execute_jobs() == 0
    assert await stage.redis.exists(stage.key("mark:7"))

    stage.clock.advance(2 * HOUR_S)
    assert await stage.execute_jobs() == 1

    assert not await stage.redis.exists(stage.key("mark:7"), stage.key("ready:bulk"))
    assert await stage.redis.exists(stage.key("versions"))
    assert await pending.list_jobs(stage.redis) == []


async def test_a_late_erasure_does_not_touch_a_shop_that_was_added_again(stage: Stage) -> None:
    shop = await stage.shops.get_or_raise(ORG)
    await stage.shops.remove(ORG, erase=True)
    [job] = await pending.list_jobs(stage.redis)
    await stage.shops.add(shop)
    assert await pending.list_jobs(stage.redis) == []
    await stage.mark(7)
    await pending.save(stage.redis, job)  # by a process that was suspended

    for _ in range(2):
        stage.clock.advance(2 * HOUR_S)
        await stage.execute_jobs()

    assert await stage.is_marked(7)
    assert await pending.list_jobs(stage.redis) == []


async def test_the_erasure_of_an_interrupted_removal_is_completed(stage: Stage) -> None:
    await stage.mark(7)
    other = keys.shop(OrgId("1000000002"), "snapshots")
    await stage.redis.hset(other, "7", "of another shop")
    await stage.redis.srem(keys.partition_key(ORG, "shops"), ORG)
    await stage.redis.delete(stage.key("shop"))
    await pending.save(stage.redis, deletion.erasure_job(ORG, everything=True, due_ms=stage.now_ms + 10_000))
    await stage.execute_jobs()
    assert await stage.is_marked(7)  # the process that removes it may still be running

    stage.clock.advance(11)
    await stage.execute_jobs()

    assert await stored_keys(stage) == set()
    assert await stage.redis.exists(other)
