"""Claims change the owner of a tag's copies, and are completed whichever process dies."""

from __future__ import annotations

import msgspec
import pytest

from service.cpu_pool import InProcess
from service.errors import Refused
from service.operations import claims
from service.operations.claims import Claim
from service.store.client import RedisClient
from service.store.jobs import pending, runs
from service.store.jobs.runs import Run
from service.store.shops.model import Shop
from tests.support.actors import LAN
from tests.support.publishing import evaluate_customers, publish, rules
from tests.workers.stage import ORG, VIP, Stage, drain_all, staged
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
    shop = await stage.shops.get_or_raise(ORG)
    return await claims.plan_adoption(stage.context, shop, tag, matching_only=matching_only)


async def test_in_a_tier_only_customers_on_the_level_match(stage: Stage) -> None:
    await stage.publish(TIER)
    golden, silver, _ = await evaluate_customers(stage, 60_000_000, 20_000_000, 1, tags="Bạc, Vàng")

    assert [*(await adoption(stage, "Bạc", matching_only=True)).new_owners] == [silver]
    assert [*(await adoption(stage, "Vàng", matching_only=True)).new_owners] == [golden]
    assert len((await adoption(stage, "Bạc")).new_owners) == 3


async def test_tags_that_depend_on_an_unwritten_tag_match_too(redis: RedisClient) -> None:
    async with staged(redis, rules=CHAIN, shadow=True) as stage:
        rich, _ = await evaluate_customers(stage, 20_000_000, 1, tags="Quà")

        assert [*(await adoption(stage, "Quà", matching_only=True)).new_owners] == [rich]


async def test_a_drain_at_any_await_of_a_claim_is_counted_in_its_run(
    stage: Stage,
) -> None:
    waits = 0
    while True:
        waits += 1
        await stage.publish(VIP)
        customers = await evaluate_customers(stage, 20_000_000, 20_000_000, tags="")
        await stage.publish(NOTHING)
        steps = Steps(waits, lambda _: stage.turn())
        await steps.drive(claim(stage, await retraction(stage, "VIP")))
        await stage.turn(2)

        where = f"wait {waits} of {steps.seen}"
        [run, *_] = await runs.latest(stage.redis, ORG)
        assert [stage.haravan.tags(each) for each in customers] == [set(), set()], where
        assert (run.total, run.done, run.removed, run.remaining) == (2, 2, 2, 0), where
        if steps.seen < waits:
            break


async def test_a_claim_is_all_or_nothing_if_the_caller_dies_at_any_await(stage: Stage) -> None:
    waits = 0
    while True:
        waits += 1
        await stage.publish(VIP)
        rich, poor = await evaluate_customers(stage, 20_000_000, 1, tags="VIP")
        steps = Steps(waits, cancel)
        await steps.drive(_asks_for(stage, await adoption(stage, "VIP")))
        stored = await pending.list_jobs(stage.redis, ORG)

        await stage.execute_jobs()
        await stage.turn(2)

        where = f"wait {waits} of {steps.seen}"
        assert stage.haravan.tags(rich) == {"VIP"}, where
        assert stage.haravan.tags(poor) == (set() if stored else {"VIP"}), where
        assert [run for run in await runs.latest(stage.redis, ORG) if run.is_active] == [], where
        if steps.seen < waits:
            assert stored
            break


@pytest.mark.parametrize("killed", [False, True], ids=["is cancelled", "is killed"])
async def test_another_worker_completes_a_claim_if_the_first_dies_at_any_await(
    stage: Stage, killed: bool
) -> None:
    waits = 0
    while True:
        waits += 1
        await stage.publish(VIP)
        rich, poor = await evaluate_customers(stage, 20_000_000, 1, tags="VIP")
        await asked_for(stage, await adoption(stage, "VIP"))
        async with Steps(waits, kill if killed else cancel) as steps:
            await steps.drive(executed(stage))
            later = stage.haravan.create(total_spent=1, tags="VIP")  # no copy of those that were claimed
            await stage.announce(later)
            left = await pending.list_jobs(stage.redis, ORG)

            await stage.redis.delete(stage.key("lease"))  # its time is up
            await stage.execute_jobs()
            await stage.turn(2)
        await stage.redis.delete(stage.key("lease"))  # a killed worker may have gone on for a moment
        for _ in range(2):
            stage.clock.advance(700)
            await stage.turn(2)

        where = f"wait {waits} of {steps.seen}"
        assert stage.haravan.tags(rich) == {"VIP"}, where
        assert stage.haravan.tags(poor) == set(), where
        if all(job.args["enrolled"] for job in left):
            assert stage.haravan.tags(later) == {"VIP"}, where
        assert not await pending.list_jobs(stage.redis), where
        assert not await stage.is_marked(poor), where
        assert [run for run in await runs.latest(stage.redis, ORG) if run.is_active] == [], where
        if steps.seen < waits:
            break


async def test_a_claim_whose_rule_was_deleted_only_evaluates_its_customers(stage: Stage) -> None:
    await stage.publish(VIP)
    _, poor = await evaluate_customers(stage, 20_000_000, 1, tags="VIP")
    planned = await adoption(stage, "VIP")
    run = await asked_for(stage, planned)
    await runs.add_members(stage.redis, ORG, run.id, [*planned.new_owners])
    [job] = await pending.list_jobs(stage.redis)
    await pending.save(stage.redis, msgspec.structs.replace(job, args=job.args | {"enrolled": True}))
    await stage.publish(NOTHING)

    await stage.execute_jobs()
    claimed = await runs.get(stage.redis, ORG, run.id)
    await stage.turn(2)

    assert (claimed.total, claimed.remaining) == (2, 2)
    assert (await runs.get(stage.redis, ORG, run.id)).remaining == 0
    assert stage.haravan.tags(poor) == {"VIP"}


async def test_a_claim_is_retried_while_the_lease_is_taken(stage: Stage) -> None:
    await stage.publish(VIP)
    _, poor = await evaluate_customers(stage, 20_000_000, 1, tags="VIP")
    await stage.redis.set(stage.key("lease"), "a drain's")
    run = await asked_for(stage, await adoption(stage, "VIP"))
    [job] = await pending.list_jobs(stage.redis)

    assert not await claims.execute(stage.context, InProcess(stage.context), job, lease_timeout_s=0.02)
    waiting = await runs.get(stage.redis, ORG, run.id)
    await stage.redis.delete(stage.key("lease"))
    await stage.execute_jobs()
    await stage.turn(2)

    assert (waiting.total, waiting.remaining, waiting.pending) == (2, 2, True)
    assert stage.haravan.tags(poor) == set()
    assert (await runs.get(stage.redis, ORG, run.id)).remaining == 0


async def test_a_pending_claim_is_not_started_twice(stage: Stage) -> None:
    await stage.publish(VIP)
    await evaluate_customers(stage, 20_000_000, 1, tags="VIP")

    first = await asked_for(stage, await adoption(stage, "VIP"))
    again = await asked_for(stage, await adoption(stage, "vip"))
    other = await asked_for(stage, await adoption(stage, "VIP", matching_only=True))
    await stage.execute_jobs()

    assert (again.id, other.id) == (first.id, "A2")
    assert await pending.list_jobs(stage.redis) == []


async def test_a_claim_is_a_run_of_its_own_kind_and_explains_removals(stage: Stage) -> None:
    await stage.publish(VIP)
    _, poor = await evaluate_customers(stage, 20_000_000, 1, tags="VIP")
    run = await asked_for(stage, await adoption(stage, "VIP"))
    await stage.execute_jobs()
    cause = await stage.field(poor, "reasons")
    await stage.turn(2)

    assert (run.kind, run.id, run.explains_removals) == ("adopt", "A1", True)
    assert cause == "adopt:A1"
    assert stage.haravan.tags(poor) == set()
    assert await stage.redis.hlen(stage.key("unexplained_removals")) == 0
    assert [one.id for one in await runs.guarded_runs(stage.redis, ORG)] == ["A1"]


async def cancel(steps: Steps) -> None:
    steps.cancel()


async def kill(steps: Steps) -> None:
    steps.kill()


async def asked_for(stage: Stage, planned: Claim) -> Run:
    shop = await stage.shops.get_or_raise(ORG)
    run = await claims.apply_claim(stage.context, shop, planned, by=LAN, approved=True)
    assert run is not None
    return run


async def _asks_for(stage: Stage, planned: Claim) -> None:
    await asked_for(stage, planned)


async def executed(stage: Stage) -> None:
    await stage.jobs.run()


async def claim(stage: Stage, planned: Claim) -> None:
    await asked_for(stage, planned)
    await stage.jobs.run()


async def retraction(stage: Stage, tag: str) -> Claim:
    return await claims.plan_retraction(stage.context, await stage.shops.get_or_raise(ORG), tag)


async def adopted(stage: Stage, shop: Shop, tag: str, *, matching_only: bool = False) -> int:
    claim = await claims.plan_adoption(stage.context, shop, tag, matching_only=matching_only)
    await claims.apply_claim(stage.context, shop, claim, by=LAN, approved=True)
    await stage.execute_jobs()
    return len(claim.new_owners)


async def test_an_adopted_tag_is_ours_and_is_removed_where_it_does_not_match(
    stage: Stage, shop: Shop
) -> None:
    rich, poor = await evaluate_customers(stage, 20_000_000, 1, tags="vip")

    assert await adopted(stage, shop, "VIP") == 2
    await stage.turn(2)

    assert stage.haravan.tags(rich) == {"vip"}
    assert stage.haravan.tags(poor) == set()
    assert (await stage.owned(rich))["vip"].rule == "vip"


async def test_adopting_only_matching_copies_leaves_the_others_alone(stage: Stage, shop: Shop) -> None:
    _, poor = await evaluate_customers(stage, 20_000_000, 1, tags="VIP")

    assert await adopted(stage, shop, "VIP", matching_only=True) == 1
    await stage.turn(2)

    assert stage.haravan.tags(poor) == {"VIP"}


async def test_a_tag_that_no_rule_sets_cannot_be_adopted(stage: Stage, shop: Shop) -> None:
    with pytest.raises(Refused, match="no live rule"):
        await adopted(stage, shop, "Khách sỉ")


async def test_a_retraction_removes_only_our_copies_of_a_tag(stage: Stage, shop: Shop) -> None:
    (ours,) = await evaluate_customers(stage, 20_000_000)
    (theirs,) = await evaluate_customers(stage, 20_000_000, tags="VIP")
    with pytest.raises(Refused, match="would give 'VIP' again"):
        await claims.plan_retraction(stage.context, shop, "VIP")
    await publish(stage, shop, rules())
    await stage.turn(2)
    assert stage.haravan.tags(ours) == {"VIP"}

    claim = await claims.plan_retraction(stage.context, shop, "vip")
    await claims.apply_claim(stage.context, shop, claim, by=LAN, approved=True)
    await stage.execute_jobs()
    await stage.turn(2)

    assert [*claim.new_owners] == [ours]
    assert stage.haravan.tags(ours) == set()
    assert stage.haravan.tags(theirs) == {"VIP"}


async def test_a_retraction_is_undone_for_the_customers_that_lost_the_tag(stage: Stage, shop: Shop) -> None:
    removed, waiting, by_hand, again_by_hand = await evaluate_customers(stage, *[20_000_000] * 4)
    stage.haravan.edit(by_hand, total_spent=0)
    await publish(stage, shop, NOTHING)
    retracted = await claims.plan_retraction(stage.context, shop, "VIP")
    with pytest.raises(Refused, match="needs an approval"):
        await claims.apply_claim(stage.context, shop, retracted, by=LAN)
    with pytest.raises(Refused, match="nothing to restore"):
        await claims.plan_restoration(stage.context, shop, "VIP")
    await claims.apply_claim(stage.context, shop, retracted, by=LAN, approved=True)
    await stage.execute_jobs()
    await drain_all(stage, "bulk", max_drains=20)
    assert not any(stage.haravan.tags(customer) for customer in (removed, waiting, again_by_hand))
    stage.haravan.edit(again_by_hand, tags="VIP")
    await stage.announce(again_by_hand)
    await stage.turn(2)

    undo = await claims.plan_restoration(stage.context, shop, "vip")
    await claims.apply_claim(stage.context, shop, undo, by=LAN)
    await stage.execute_jobs()
    await drain_all(stage, "bulk", max_drains=20)

    assert all(stage.haravan.tags(each) == {"VIP"} for each in (removed, waiting, by_hand, again_by_hand))
    assert {(await stage.owned(each))["vip"].rule for each in (removed, waiting, by_hand)} == {"vip"}
    assert await stage.owned(again_by_hand) == {}
    assert not await stage.redis.exists(stage.key("pending_restores"))
    assert (await claims.plan_restoration(stage.context, shop, "VIP")).new_owners == {}


async def test_an_undo_before_the_removal_keeps_the_tag(stage: Stage, shop: Shop) -> None:
    (customer,) = await evaluate_customers(stage, 20_000_000)
    await publish(stage, shop, NOTHING)
    retracted = await claims.plan_retraction(stage.context, shop, "VIP")
    await claims.apply_claim(stage.context, shop, retracted, by=LAN, approved=True)
    await stage.execute_jobs()
    assert (await stage.owned(customer))["vip"].rule == "~retracted"

    await claims.apply_claim(
        stage.context, shop, await claims.plan_restoration(stage.context, shop, "VIP"), by=LAN
    )
    await stage.execute_jobs()
    await drain_all(stage, "bulk", max_drains=20)

    assert (stage.haravan.tags(customer), stage.haravan.calls.count("DELETE tags")) == ({"VIP"}, 0)
