"""A page walk marks whoever is not right, and keeps a snapshot of whoever is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from arq.connections import ArqRedis

from service.domain.customers import unpack
from service.domain.standing import unpack_held
from service.store import census
from service.store.bucket import Bucket
from tests.workers.stage import ORG, Stage, staged
from workers.haravan.client import Haravan
from workers.haravan.pacer import Pacer
from workers.haravan.session import open_session
from workers.walk import Walk

TIER = """
version: 1
tiers:
  - id: hang
    downgrade: {after: 30 days}
    levels: [{tag: Gold, when: {field: total_spent, op: at_least, value: 5}}]
"""


@pytest.fixture(params=["omni", "admin"])
async def stage(redis: ArqRedis, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with staged(redis, dialect=request.param) as stage:
        yield stage


async def walk(stage: Stage, kind: str, **how: int) -> tuple[int, int]:
    """(marked, done) of the run, after it is drained."""
    shop = await stage.shops.require(ORG)
    version = await stage.versions.live_number(ORG)
    async with open_session() as session:
        api = Haravan.of(shop, session)
        bucket = Bucket(stage.redis, clock_ms=lambda: stage.now_ms)
        run = await Walk(
            redis=stage.redis,
            shop=shop,
            api=api,
            permits=Pacer(bucket, ORG, lane="bulk"),
            compiled=await stage.drain.rulebook.rules(shop, version),
            version=version,
            now_ms=lambda: stage.now_ms,
        )(kind, by="test", **how)  # type: ignore[arg-type]
    return run.total, run.left


async def test_a_backfill_marks_only_those_whose_tags_change_and_keeps_all_snapshots(stage: Stage) -> None:
    ids = [stage.haravan.create(total_spent=20_000_000 if n % 10 == 0 else 5) for n in range(120)]

    marked, left = await walk(stage, "backfill")
    assert (marked, left) == (12, 12)
    assert await stage.redis.hlen(stage.key("snap")) == 108
    assert await census.counted(stage.redis, ORG) == 120
    await stage.turn(12)

    assert all(stage.haravan.tags(each) == {"VIP"} for each in ids[::10])
    assert await stage.redis.hlen(stage.key("snap")) == 120


async def test_a_second_walk_finds_nothing_to_do(stage: Stage) -> None:
    for _ in range(3):
        stage.haravan.create(total_spent=20_000_000)
    await walk(stage, "backfill")
    await stage.turn(3)

    assert await walk(stage, "backfill") == (0, 0)


async def test_a_reconcile_looks_only_at_what_changed_since(stage: Stage) -> None:
    old = stage.haravan.create(total_spent=5)
    await walk(stage, "backfill")
    stage.clock.advance(7200)
    since = stage.now_ms
    stage.clock.advance(7200)
    stage.haravan.edit(old, total_spent=20_000_000, announce=False)

    assert await walk(stage, "reconcile", since_ms=since) == (1, 1)


async def test_a_walk_marks_whoever_changed_though_no_tag_does_since_publishes_go_by_snapshots(
    stage: Stage,
) -> None:
    customer = stage.haravan.create(total_spent=5)
    await walk(stage, "backfill")
    stage.haravan.edit(customer, total_spent=6, announce=False)

    assert await walk(stage, "backfill") == (1, 1)
    await stage.turn(2)

    assert unpack(await stage.redis.hget(stage.key("snap"), str(customer)) or b"").total_spent == 6_0000
    assert await walk(stage, "backfill") == (0, 0)


async def test_a_walk_marks_whose_hold_begins_without_a_tag_changing(stage: Stage) -> None:
    await stage.publish(TIER)
    customer = stage.haravan.create(total_spent=9)
    await stage.mark(customer)
    await stage.turn(2)
    stage.haravan.edit(customer, total_spent=4, announce=False)

    await walk(stage, "backfill")
    await stage.turn(2)

    held = unpack_held(await stage.redis.hget(stage.key("held"), str(customer)) or b"")
    assert held["hang"].below is not None
    assert stage.haravan.tags(customer) == {"Gold"}


async def test_a_scrub_looks_again_at_whom_the_list_did_not_show(stage: Stage) -> None:
    gone = stage.haravan.create(total_spent=5)
    stage.haravan.create(total_spent=5)
    await walk(stage, "backfill")
    stage.haravan.delete(gone)

    assert await walk(stage, "scrub") == (1, 1)
    await stage.turn(2)
    stage.clock.advance(601)
    await stage.turn(2)

    assert not await stage.redis.hexists(stage.key("snap"), str(gone))
