"""Claims by hand: whose copies of a tag become ours, and that nobody is left behind, whatever dies meanwhile."""

from __future__ import annotations

import msgspec
import pytest
from arq.connections import ArqRedis

from service.store import claiming, claims, runs
from service.store.claiming import Begun
from service.store.claims import Claim
from service.store.runs import Run
from tests.workers.stage import ORG, VIP, Stage, staged
from tests.workers.stepping import Steps

pytestmark = pytest.mark.timeout(900)
NOTHING = "version: 1\nrules: []\n"

TIER = """
version: 1
tiers:
  - id: hang
    owns: added
    levels:
      - {tag: Vàng, when: {field: total_spent, op: at_least, value: 50_000_000}}
      - {tag: Bạc, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""
CHAIN = """
version: 1
rules:
  - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
  - {id: gift, tag: Quà, when: {field: tags, op: has_any, value: [VIP]}}
"""


async def adoption(stage: Stage, tag: str, *, matching_only: bool = False) -> Claim:
    shop = await stage.shops.require(ORG)
    return await claims.plan_adoption(
        stage.redis, shop, tag, matching_only=matching_only, versions=stage.versions, now_ms=stage.now_ms
    )


async def looked_at(stage: Stage, *spent: int, tags: str) -> list[int]:
    customers = [stage.haravan.create(total_spent=each, tags=tags) for each in spent]
    await stage.mark(*customers)
    await stage.turn(2)
    return customers


async def test_of_a_tier_only_the_level_that_it_would_give_counts_as_matching(stage: Stage) -> None:
    await stage.publish(TIER)
    golden, silver, _ = await looked_at(stage, 60_000_000, 20_000_000, 1, tags="Bạc, Vàng")

    assert [*(await adoption(stage, "Bạc", matching_only=True)).owners] == [silver]
    assert [*(await adoption(stage, "Vàng", matching_only=True)).owners] == [golden]
    assert len((await adoption(stage, "Bạc")).owners) == 3


async def test_what_follows_from_a_tag_that_is_still_to_be_written_counts_too(redis: ArqRedis) -> None:
    async with staged(redis, rules=CHAIN, shadow=True) as stage:
        rich, _ = await looked_at(stage, 20_000_000, 1, tags="Quà")

        assert [*(await adoption(stage, "Quà", matching_only=True)).owners] == [rich]


async def test_at_every_await_of_a_claim_a_drain_may_come_and_whom_it_looks_at_is_counted(
    stage: Stage,
) -> None:
    waits = 0
    while True:
        waits += 1
        await stage.publish(VIP)
        customers = await looked_at(stage, 20_000_000, 20_000_000, tags="")
        await stage.publish(NOTHING)
        steps = Steps(waits, lambda _: stage.turn())
        await steps.drive(claim(stage, await retraction(stage, "VIP")))
        await stage.turn(2)

        where = f"wait {waits} of {steps.seen}"
        [run, *_] = await runs.latest(stage.redis, ORG)
        assert [stage.haravan.tags(each) for each in customers] == [set(), set()], where
        assert (run.total, run.done, run.removed, run.left) == (2, 2, 2, 0), where
        if steps.seen < waits:
            break


async def test_whoever_claims_may_die_at_every_await_and_the_sweep_goes_on(stage: Stage) -> None:
    waits = 0
    while True:
        waits += 1
        await stage.publish(VIP)
        rich, poor = await looked_at(stage, 20_000_000, 1, tags="VIP")
        steps = Steps(waits, cancel)
        await steps.drive(claim(stage, await adoption(stage, "VIP")))
        later = stage.haravan.create(total_spent=1, tags="VIP")  # no copy of those that were claimed
        await stage.announce(later)
        left = [
            msgspec.json.decode(each, type=Begun) for each in await stage.redis.hvals(stage.key("claims"))
        ]

        stage.clock.advance(400)
        await stage.redis.delete(stage.key("lease"))  # its time is up, by the store's own clock too
        await stage.sweep.mark_by_calendar()
        await stage.turn(2)

        where = f"wait {waits} of {steps.seen}"
        assert stage.haravan.tags(rich) == {"VIP"}, where
        if left or steps.seen < waits:
            assert stage.haravan.tags(poor) == set(), where
        if all(begun.enrolled for begun in left):
            assert stage.haravan.tags(later) == {"VIP"}, where
        assert not await stage.redis.exists(stage.key("claims")), where
        assert not await stage.is_marked(poor), where
        assert all(not run.left for run in await runs.latest(stage.redis, ORG)), where
        if steps.seen < waits:
            break


async def test_what_is_left_of_a_claim_whose_rule_is_gone_is_only_looked_at(stage: Stage) -> None:
    await stage.publish(VIP)
    _, poor = await looked_at(stage, 20_000_000, 1, tags="VIP")
    planned = await adoption(stage, "VIP")
    run_id = await runs.begin(stage.redis, ORG, kind="publish", by="Lan", reason="adopt VIP", now_ms=1)
    await runs.enrol(stage.redis, ORG, run_id, [*planned.owners])
    begun = Begun("VIP", "adopt", matching_only=False, at_ms=stage.now_ms, enrolled=True)
    await stage.redis.hset(stage.key("claims"), run_id, msgspec.json.encode(begun).decode())
    await stage.publish(NOTHING)
    assert await finished(stage) == []

    stage.clock.advance(400)
    [run] = await finished(stage)
    await stage.turn(2)

    assert (run.total, run.left) == (2, 2)
    assert (await runs.get(stage.redis, ORG, run_id)).left == 0
    assert stage.haravan.tags(poor) == {"VIP"}


async def test_a_claim_goes_on_by_itself_where_the_shop_is_too_busy(stage: Stage) -> None:
    await stage.publish(VIP)
    _, poor = await looked_at(stage, 20_000_000, 1, tags="VIP")
    await stage.redis.set(stage.key("lease"), "a drain's")

    run = await claiming.carry_out(
        stage.redis,
        await stage.shops.require(ORG),
        await adoption(stage, "VIP"),
        by="Lan",
        now_ms=stage.now_ms,
        patience_s=0.02,
    )
    assert run is not None
    assert (run.total, run.left) == (2, 2)
    await stage.redis.delete(stage.key("lease"))
    stage.clock.advance(400)
    await stage.sweep.mark_by_calendar()
    await stage.turn(2)

    assert stage.haravan.tags(poor) == set()
    assert (await runs.get(stage.redis, ORG, run.id)).left == 0


async def cancel(steps: Steps) -> None:
    steps.cancel()


async def claim(stage: Stage, planned: Claim) -> None:
    shop = await stage.shops.require(ORG)
    await claiming.carry_out(stage.redis, shop, planned, by="Lan", now_ms=stage.now_ms)


async def finished(stage: Stage) -> list[Run]:
    shop = await stage.shops.require(ORG)
    return await claiming.finish(stage.redis, shop, versions=stage.versions, now_ms=stage.now_ms)


async def retraction(stage: Stage, tag: str) -> Claim:
    return await claims.plan_retraction(
        stage.redis,
        await stage.shops.require(ORG),
        tag,
        versions=stage.versions,
        now_ms=stage.now_ms,
    )
