"""A rollout outlives the death of its worker, and stops if it removes more than its preview."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from service.domain.documents.parser import parse_rules
from service.publishing import rollout
from service.publishing.draft import create_draft
from service.publishing.publish import publish_draft
from service.store.client import keys
from service.store.jobs import pending, runs
from service.store.shops.model import Shop
from tests.support.actors import LAN
from tests.support.publishing import evaluate_customers, publish, rules, run_of, vip
from tests.workers.stage import ORG, Stage


async def test_a_second_publish_supersedes_the_first_run_and_keeps_its_marks(
    stage: Stage, shop: Shop
) -> None:
    (customer,) = await evaluate_customers(stage, 6_000_000)
    first = await publish(stage, shop, rules(vip(5_000_000)))

    second = await publish(stage, shop, rules(vip(4_000_000)))

    assert (await runs.get(stage.redis, ORG, run_of(first).id)).ended == "superseded"
    await stage.turn(2)
    assert stage.haravan.tags(customer) == {"VIP"}
    assert (await runs.get(stage.redis, ORG, run_of(second).id)).done == 1


async def test_a_version_is_never_live_without_the_job_that_rolls_it_out(stage: Stage, shop: Shop) -> None:
    (customer,) = await evaluate_customers(stage, 6_000_000)
    draft = await create_draft(stage.context, shop, parse_rules(rules(vip(5_000_000))))
    done = await publish_draft(stage.context, shop, draft, by=LAN, note="", approved=True)
    assert not await stage.is_marked(customer)
    [job] = await pending.list_jobs(stage.redis, ORG)
    assert (job.kind, job.id) == ("rollout", run_of(done).id)

    assert await stage.execute_jobs() == 1

    run = await runs.get(stage.redis, ORG, run_of(done).id)
    assert (run.pending, run.total) == (False, 1)
    assert await stage.is_marked(customer)
    assert await stage.execute_jobs() == 0


async def test_a_rollout_locked_by_another_worker_waits_until_the_lock_expires(
    stage: Stage, shop: Shop
) -> None:
    (customer,) = await evaluate_customers(stage, 6_000_000)
    draft = await create_draft(stage.context, shop, parse_rules(rules(vip(5_000_000))))
    await publish_draft(stage.context, shop, draft, by=LAN, note="", approved=True)
    other = pending.lock(stage.redis, ORG)
    assert await other.acquire()

    assert await stage.jobs.run() == 0
    assert not await stage.is_marked(customer)
    assert 0 < await stage.redis.ttl(keys.pending_lock(ORG)) <= pending.LOCK_TIMEOUT_S
    assert await stage.execute_jobs() == 1
    assert await stage.is_marked(customer)


async def test_two_pending_publishes_are_rolled_out_as_one(stage: Stage, shop: Shop) -> None:
    (customer,) = await evaluate_customers(stage, 6_000_000)
    done = []
    for threshold in (5_000_000, 4_000_000):
        draft = await create_draft(stage.context, shop, parse_rules(rules(vip(threshold))))
        done.append(await publish_draft(stage.context, shop, draft, by=LAN, note="", approved=True))

    assert await stage.execute_jobs() == 1

    first, second = [await runs.get(stage.redis, ORG, run_of(each).id) for each in done]
    assert (first.ended, first.total, second.total, second.pending) == ("superseded", 0, 1, False)
    await stage.turn(2)
    assert stage.haravan.tags(customer) == {"VIP"}
    assert await pending.list_jobs(stage.redis) == []


async def test_a_failed_job_is_retried_later_and_blocks_no_other(stage: Stage, shop: Shop) -> None:
    await evaluate_customers(stage, 6_000_000)
    draft = await create_draft(stage.context, shop, parse_rules(rules(vip(5_000_000))))
    done = await publish_draft(stage.context, shop, draft, by=LAN, note="", approved=True)
    document = await stage.redis.hget(stage.key("documents"), done.version.content)
    await stage.redis.hdel(stage.key("documents"), done.version.content)

    assert await stage.execute_jobs() == 0
    await stage.redis.hset(stage.key("documents"), done.version.content, document)
    assert await stage.execute_jobs() == 0
    stage.clock.advance(31)
    assert await stage.execute_jobs() == 1


async def test_a_run_that_removes_more_than_its_preview_pauses_removals(stage: Stage, shop: Shop) -> None:
    await evaluate_customers(stage, 6_000_000)
    done = await publish(stage, shop, rules(vip(5_000_000)))
    assert await rollout.stop_overruns(stage.redis, ORG) == []

    await stage.redis.hset(stage.key(f"run:{run_of(done).id}"), "removed", "21")
    for _ in range(30):  # what else goes on meanwhile
        await runs.create(stage.redis, ORG, kind="replay", by="Lan", reason="", now_ms=stage.now_ms + 1)

    assert await rollout.stop_overruns(stage.redis, ORG) == [run_of(done).id]
    assert await stage.state("removals_paused") == f"publish {run_of(done).id}"


async def test_a_stopped_run_removes_no_tags_until_removals_are_resumed(stage: Stage, shop: Shop) -> None:
    (customer,) = await evaluate_customers(stage, 20_000_000)
    done = await publish(stage, shop, rules(vip(50_000_000)))
    await stage.redis.hset(stage.key(f"run:{run_of(done).id}"), "removed", "100")
    assert await rollout.stop_overruns(stage.redis, ORG) == [run_of(done).id]

    await stage.turn(3)
    assert stage.haravan.tags(customer) == {"VIP"}

    await stage.shops.resume_removals(ORG)
    stage.clock.advance(400)
    await stage.turn(3)
    assert stage.haravan.tags(customer) == set()


@pytest.mark.parametrize(
    ("call", "threshold", "counted"), [("POST tags", 5_000_000, (1, 0)), ("DELETE tags", 50_000_000, (0, 1))]
)
async def test_writes_of_a_run_count_also_if_a_webhook_arrives_before_the_answer(
    stage: Stage, shop: Shop, call: str, threshold: int, counted: tuple[int, int]
) -> None:
    (customer,) = await evaluate_customers(stage, 20_000_000 if counted[1] else 6_000_000)
    done = await publish(stage, shop, rules(vip(threshold)))

    async def news() -> None:
        stage.haravan.edit(customer, note="gọi lại")
        await stage.announce(customer)

    stage.haravan.on_call(call, news)
    await stage.turn(4)

    run = await runs.get(stage.redis, ORG, run_of(done).id)
    assert (run.done, run.remaining) == (1, 0)
    assert (run.added, run.removed) == counted


async def test_publishing_a_rule_on_dates_schedules_customers_that_change_later(
    stage: Stage, shop: Shop
) -> None:
    day = datetime.fromtimestamp(stage.now_ms / 1000, UTC).date().isoformat()
    customer = stage.haravan.create(total_spent=1, orders_count=1, last_order_date=f"{day}T03:00:00Z")
    await stage.mark(customer)
    await stage.turn()
    text = rules(
        "  - {id: old, tag: Cũ, when: {field: last_order_date, op: more_than_ago, value: 90 days}}\n"
    )

    await publish(stage, shop, text)

    due = await stage.redis.zscore(stage.key("schedule"), str(customer))
    assert due == date.fromisoformat(day).toordinal() + 91
