"""The first look at a shop reads all customers and writes nothing; few changes go on by themselves, many need an approval."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from service.domain.customers.customer import CustomerId
from service.domain.documents.parser import parse_rules
from service.errors import Refused
from service.operations import Selection, claims, count_replay
from service.publishing import first_look
from service.publishing.draft import create_draft, create_rollback_draft
from service.publishing.publish import NeedsApproval, Published, publish_draft, roll_back
from service.publishing.shadow import draft_end_of_shadow_mode, end_shadow_mode
from service.store.client import RedisClient
from service.store.history import audit_log
from service.store.jobs import pending, runs
from service.store.shops.model import Shop
from tests.publishing.shop_walk import make_scan, walk
from tests.support.actors import LAN
from tests.support.publishing import rules, vip
from tests.workers.stage import ORG, Stage, drain_all, staged
from workers.haravan.decoding import Batch, UnreadableRecord

CUSTOMERS = 40
EVERYBODY = rules(vip(0))
FEW = rules(vip(10))  # two customers of forty, which the guard allows


@pytest.fixture
async def stage(redis: RedisClient) -> AsyncIterator[Stage]:
    """A new shop without rules: two of its customers spent 10 đồng, all others nothing."""
    async with staged(redis, rules="", first_look="pending") as stage:
        for number in range(CUSTOMERS):
            stage.haravan.create(total_spent=10 if number < 2 else 0)
        yield stage


async def shop_of(stage: Stage) -> Shop:
    return await stage.shops.get_or_raise(ORG)


async def publish(stage: Stage, text: str, *, approved: bool = False) -> Published:
    shop = await shop_of(stage)
    draft = await create_draft(stage.context, shop, parse_rules(text))
    return await publish_draft(stage.context, shop, draft, by=LAN, note="", approved=approved)


async def finish(stage: Stage) -> None:
    """Execute all jobs and drain everybody."""
    while await stage.execute_jobs():
        pass
    await drain_all(stage, "bulk", max_drains=100)


def tagged(stage: Stage) -> int:
    return sum("VIP" in stage.haravan.tags(customer) for customer in stage.haravan.ids())


async def test_nothing_is_written_until_a_person_approves(stage: Stage) -> None:
    published = await publish(stage, EVERYBODY)
    await finish(stage)
    walked = await walk(stage)
    await finish(stage)

    assert published.run is None  # the end of the first look makes the rollout
    assert (walked.scanned, walked.total, stage.wrote()) == (CUSTOMERS, 0, 0)
    assert (await shop_of(stage)).first_look == "waiting"
    assert not (await runs.get(stage.redis, ORG, walked.id)).pending

    shop = await shop_of(stage)
    draft = await first_look.draft_approval(stage.context, shop)
    run = await first_look.approve(stage.context, shop, draft, by=LAN)
    await finish(stage)

    assert run is not None
    assert (draft.report.preview.touched, draft.report.guard.why) == (CUSTOMERS, ("share",))
    assert (tagged(stage), (await shop_of(stage)).first_look) == (CUSTOMERS, "complete")
    entries = [row.entry for row in await audit_log.list_entries(stage.redis, ORG)]
    [entry] = [each for each in entries if each.action == "approve"]
    assert (entry.by, f"touches {CUSTOMERS} of {CUSTOMERS} customers" in entry.summary) == ("Lan", True)


async def test_a_roll_back_to_version_0_takes_back_what_the_first_version_gave(stage: Stage) -> None:
    await publish(stage, EVERYBODY)
    by_hand = stage.haravan.create(tags="VIP")
    await walk(stage)
    await finish(stage)
    shop = await shop_of(stage)
    draft = await first_look.draft_approval(stage.context, shop)
    await first_look.approve(stage.context, shop, draft, by=LAN)
    await finish(stage)
    shop = await shop_of(stage)

    back = await create_rollback_draft(stage.context, shop, to=0)
    published = await roll_back(stage.context, shop, back, to=0, by=LAN, note="")
    await finish(stage)

    assert (back.report.preview.removed, published.version.number) == (CUSTOMERS, 2)
    assert [customer for customer in stage.haravan.ids() if stage.haravan.tags(customer)] == [by_hand]
    again = await create_rollback_draft(stage.context, shop, to=1)
    await roll_back(stage.context, shop, again, to=1, by=LAN, note="", approved=True)
    await finish(stage)
    assert tagged(stage) == CUSTOMERS + 1


async def test_few_changes_go_on_by_themselves(stage: Stage) -> None:
    await publish(stage, FEW)
    await walk(stage)
    await finish(stage)

    assert (tagged(stage), (await shop_of(stage)).first_look) == (2, "complete")
    run = await first_look.find_rollout(stage.context, ORG)
    assert run is not None
    assert run.reason == "first look"


async def test_a_webhook_is_served_during_the_first_look(stage: Stage) -> None:
    await publish(stage, EVERYBODY)
    customer = stage.haravan.ids()[0]
    await stage.announce(customer)
    await stage.turn(2)

    assert (stage.haravan.tags(customer), tagged(stage)) == ({"VIP"}, 1)


@pytest.mark.parametrize("walked", [False, True])
async def test_a_publish_meanwhile_writes_only_what_the_guard_allows(stage: Stage, *, walked: bool) -> None:
    """Before the end of the walk it writes nothing; afterwards its preview is that of the whole shop."""
    await publish(stage, EVERYBODY)
    if walked:
        await walk(stage)
        await finish(stage)
        with pytest.raises(NeedsApproval):
            await publish(stage, rules(vip(0, note="khác")))
    await publish(stage, FEW)
    await finish(stage)

    assert tagged(stage) == (2 if walked else 0)
    assert (await shop_of(stage)).first_look == ("complete" if walked else "pending")


async def test_a_publish_of_a_draft_from_before_the_end_of_the_walk_is_refused(stage: Stage) -> None:
    """Its author saw no guard."""
    await publish(stage, FEW)
    shop = await shop_of(stage)
    draft = await create_draft(stage.context, shop, parse_rules(EVERYBODY))
    await walk(stage)
    await finish(stage)

    with pytest.raises(Refused, match="first look"):
        await publish_draft(stage.context, shop, draft, by=LAN, note="")
    assert tagged(stage) == 2


async def test_rules_that_went_live_during_the_evaluation_are_evaluated(stage: Stage) -> None:
    await publish(stage, FEW)
    await walk(stage)
    evaluate = first_look.evaluate

    class Pool:
        """Another version goes live while the first is evaluated."""

        async def run(self, function: object, *args: object) -> object:
            verdict = await evaluate(stage.context, ORG)
            await publish(stage, EVERYBODY)
            return verdict

    [job] = [job for job in await pending.list_jobs(stage.redis, ORG) if job.kind == "first_look"]
    assert not await first_look.execute(stage.context, Pool(), job)  # type: ignore[arg-type]
    await finish(stage)

    assert (tagged(stage), (await shop_of(stage)).first_look) == (0, "waiting")


async def test_a_walk_before_the_first_rules_makes_their_publish_obey_the_guard(stage: Stage) -> None:
    await walk(stage)
    await finish(stage)

    assert (await shop_of(stage)).first_look == "complete"
    with pytest.raises(NeedsApproval, match="40 of 40"):
        await publish(stage, EVERYBODY)


async def test_the_guard_counts_the_whole_shop_and_not_only_known_customers(stage: Stage) -> None:
    """Two known customers of forty change: within 5 %."""
    await walk(stage)
    await finish(stage)
    known = [str(customer) for customer in stage.haravan.ids()[:2]]
    snapshots = await stage.redis.hgetall(stage.key("snapshots"))
    await stage.redis.hdel(
        stage.key("snapshots"), *[name for name in snapshots if name.decode() not in known]
    )

    draft = await create_draft(stage.context, await shop_of(stage), parse_rules(EVERYBODY))

    assert (draft.report.preview.touched, draft.report.guard.needs_approval) == (2, False)


async def test_a_second_walk_while_the_shop_waits_reads_what_changed(stage: Stage) -> None:
    await publish(stage, EVERYBODY)
    await walk(stage)
    await finish(stage)
    stage.clock.advance(60)
    for customer in stage.haravan.ids():
        stage.haravan.edit(customer, tags="VIP")  # no webhook tells
    await walk(stage)
    await finish(stage)

    assert ((await shop_of(stage)).first_look, stage.wrote()) == ("complete", 0)


async def test_an_unreadable_customer_is_evaluated_after_the_first_look(stage: Stage) -> None:
    """It has no tags to count. The rollout enqueues it: a later read may work, or it becomes a dead letter."""
    await publish(stage, FEW)
    odd, *others = stage.haravan.ids()
    scan = await make_scan(stage)
    await scan._save_snapshots(Batch(unreadable=(UnreadableRecord(CustomerId(odd), "no object"),)))
    assert await stage.redis.hget(stage.key("snapshots"), str(odd)) == b""
    page = await scan.api.perform(scan.api.dialect.page(odd), scan.permits)  # beyond the odd one
    await scan._save_snapshots(page.parse())
    async with stage.redis.pipeline() as pipe:
        run_id = await runs.create(
            stage.redis, ORG, kind="backfill", by="test", reason="", now_ms=stage.now_ms
        )
        first_look.queue_end_of_walk(pipe, ORG, run_id)
        await pipe.execute()
    await finish(stage)

    assert (tagged(stage), (await shop_of(stage)).first_look) == (2, "complete")
    assert len(page) == min(50, len(others))


async def test_shadow_mode_needs_no_approval_because_its_end_asks_for_one(stage: Stage) -> None:
    await stage.shops.set_shadow(ORG, shadow=True)
    await publish(stage, EVERYBODY)
    await walk(stage)
    await finish(stage)
    shop = await shop_of(stage)

    assert (shop.first_look, stage.wrote()) == ("complete", 0)
    draft = await draft_end_of_shadow_mode(stage.context, shop)
    with pytest.raises(NeedsApproval):
        await end_shadow_mode(stage.context, shop, draft, by=LAN)


async def test_what_would_write_to_all_known_customers_is_refused_before(stage: Stage) -> None:
    await publish(stage, EVERYBODY)
    await walk(stage)
    await finish(stage)
    shop = await shop_of(stage)

    with pytest.raises(Refused, match="tagger shops approve"):
        await count_replay(stage.context, ORG, Selection(everybody=True), by=LAN)
    with pytest.raises(Refused, match="waits for an approval"):
        await claims.plan_adoption(stage.context, shop, "VIP", matching_only=False)
    with pytest.raises(Refused, match="tagger backfill"):
        await first_look.draft_approval(stage.context, replace(shop, first_look="pending"))
    with pytest.raises(Refused, match="nothing waits"):
        await first_look.draft_approval(stage.context, replace(shop, first_look="complete"))
