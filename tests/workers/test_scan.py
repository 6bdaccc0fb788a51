"""A scan enqueues every customer whose tags are not right, and stores the snapshots of all others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from service.domain.decisions.state import HOLDS_CODEC
from service.errors import ApiUnavailable
from service.store.client import RedisClient
from service.store.customers import snapshots
from service.store.customers.sealed_snapshots import read_snapshot
from service.store.history import day_counts
from service.store.jobs import runs
from tests.workers.stage import ORG, Stage, staged
from workers.haravan.calls import Call
from workers.haravan.client import Haravan
from workers.haravan.decoding import RawBatch
from workers.haravan.dialects import Omni
from workers.haravan.rate_limit import WaitingPermits
from workers.scan import CustomerScan, ScanKind, ScanProgress, build_scan

TIER = """
version: 1
tiers:
  - id: hang
    downgrade: {after: 30 days}
    levels: [{tag: Gold, when: {field: total_spent, op: at_least, value: 5}}]
"""


@pytest.fixture(params=["omni", "admin"])
async def stage(redis: RedisClient, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with staged(redis, dialect=request.param) as stage:
        yield stage


async def make_scan(
    stage: Stage, on_page: Callable[[ScanProgress], None] = lambda _: None
) -> CustomerScan | None:
    """A scan of the stage's shop."""
    shop = await stage.shops.get_or_raise(ORG)
    return await build_scan(
        stage.context,
        shop,
        Haravan.for_shop(shop, stage.drain.session),
        permits=WaitingPermits(stage.drain.leases.rate_limiter, ORG, lane="bulk"),
        rules_cache=stage.drain.rules_cache,
        on_page=on_page,
    )


async def scan(stage: Stage, kind: ScanKind, *, since_ms: int | None = None) -> tuple[int, int]:
    """How many customers the run of a scan has, and how many of them are still to be drained."""
    customer_scan = await make_scan(stage)
    assert customer_scan is not None
    run = await customer_scan(kind, by="test", since_ms=since_ms)
    return run.total, run.remaining


async def test_a_backfill_enqueues_only_customers_whose_tags_change_and_stores_all_snapshots(
    stage: Stage,
) -> None:
    ids = [stage.haravan.create(total_spent=20_000_000 if n % 10 == 0 else 5) for n in range(120)]

    enqueued, remaining = await scan(stage, "backfill")
    assert (enqueued, remaining) == (12, 12)
    assert await stage.redis.hlen(stage.key("snapshots")) == 108
    assert await snapshots.get_count(stage.redis, ORG) == 120
    await stage.turn(12)

    assert all(stage.haravan.tags(customer) == {"VIP"} for customer in ids[::10])
    assert await stage.redis.hlen(stage.key("snapshots")) == 120


async def test_a_walk_over_all_customers_counts_those_with_a_tag_of_the_rules(stage: Stage) -> None:
    for tags in ("vip", "VIP, Khách sỉ", "Khách sỉ", ""):
        stage.haravan.create(total_spent=5, tags=tags)
    await scan(stage, "reconcile", since_ms=stage.now_ms - 1000)  # not all customers, so it counts nothing
    shop = await stage.shops.get_or_raise(ORG)
    today = datetime.fromtimestamp(stage.clock(), ZoneInfo(shop.timezone)).toordinal()
    [before] = await day_counts.load_days(stage.redis, ORG, last=today, days=1)

    await scan(stage, "audit")

    [after] = await day_counts.load_days(stage.redis, ORG, last=today, days=1)
    assert before.customers is None
    assert (after.customers, after.tagged) == (4, {"VIP": 2})


async def test_a_second_scan_finds_nothing_to_do(stage: Stage) -> None:
    for _ in range(3):
        stage.haravan.create(total_spent=20_000_000)
    await scan(stage, "backfill")
    await stage.turn(3)

    assert await scan(stage, "backfill") == (0, 0)


async def test_a_reconcile_reads_only_what_changed_since(stage: Stage) -> None:
    old = stage.haravan.create(total_spent=5)
    await scan(stage, "backfill")
    stage.clock.advance(7200)
    since = stage.now_ms
    stage.clock.advance(7200)
    stage.haravan.edit(old, total_spent=20_000_000, announce=False)

    assert await scan(stage, "reconcile", since_ms=since) == (1, 1)


async def test_a_changed_customer_is_enqueued_even_if_no_tag_changes_because_publishes_evaluate_snapshots(
    stage: Stage,
) -> None:
    customer = stage.haravan.create(total_spent=5)
    await scan(stage, "backfill")
    stage.haravan.edit(customer, total_spent=6, announce=False)

    assert await scan(stage, "backfill") == (1, 1)
    await stage.turn(2)

    assert (
        read_snapshot(await stage.redis.hget(stage.key("snapshots"), str(customer)) or b"").facts.total_spent
        == 6_0000
    )
    assert await scan(stage, "backfill") == (0, 0)


async def test_a_customer_whose_hold_begins_is_enqueued_without_a_tag_change(stage: Stage) -> None:
    await stage.publish(TIER)
    customer = stage.haravan.create(total_spent=9)
    await stage.mark(customer)
    await stage.turn(2)
    stage.haravan.edit(customer, total_spent=4, announce=False)

    await scan(stage, "backfill")
    await stage.turn(2)

    held = HOLDS_CODEC.decode(await stage.redis.hget(stage.key("holds"), str(customer)) or b"")
    assert held["hang"].below_since is not None
    assert stage.haravan.tags(customer) == {"Gold"}


async def test_an_audit_enqueues_known_customers_that_the_list_does_not_show(stage: Stage) -> None:
    deleted = stage.haravan.create(total_spent=5)
    stage.haravan.create(total_spent=5)
    await scan(stage, "backfill")
    stage.haravan.delete(deleted)

    assert await scan(stage, "audit") == (1, 1)
    await stage.turn(2)
    stage.clock.advance(601)
    await stage.turn(2)

    assert not await stage.redis.hexists(stage.key("snapshots"), str(deleted))


class IgnoresSinceId(Omni):
    """The requests of a dialect whose API ignores `since_id`."""

    def page(
        self,
        since_id: int = 0,
        *,
        limit: int = 50,
        updated_min: datetime | None = None,
        fields: Sequence[str] | None = None,
    ) -> Call[RawBatch]:
        return super().page(0, limit=limit, updated_min=updated_min, fields=fields)


async def test_a_scan_of_an_api_that_ignores_since_id_ends_with_an_error(stage: Stage) -> None:
    stage.haravan.create(total_spent=20_000_000)
    customer_scan = await make_scan(stage)
    assert customer_scan is not None
    customer_scan.api.dialect = IgnoresSinceId()

    with pytest.raises(ApiUnavailable, match="returned no customer beyond"):
        await customer_scan("backfill", by="test")

    [run] = await runs.latest(stage.redis, ORG)
    assert (run.scanned, run.total, run.ended) == (1, 1, "failed")


async def test_the_run_of_a_scan_that_failed_halfway_says_so_and_counts_on(stage: Stage) -> None:
    for _ in range(60):
        stage.haravan.create(total_spent=20_000_000)

    def fail_after(at: ScanProgress) -> None:
        assert (at.scanned, at.expected, at.enqueued) == (50, 60, 50)
        stage.haravan.faults.fail(503, endpoint="GET customers")

    customer_scan = await make_scan(stage, on_page=fail_after)
    assert customer_scan is not None
    with pytest.raises(ApiUnavailable):
        await customer_scan("backfill", by="test")
    await stage.turn(80)

    [run] = await runs.latest(stage.redis, ORG)
    assert (run.scanned, run.total, run.done, run.remaining, run.ended) == (50, 50, 50, 0, "failed")


async def test_a_scan_counts_the_customers_it_reads_not_only_those_it_enqueues(stage: Stage) -> None:
    for _ in range(3):
        stage.haravan.create(total_spent=5)
    await scan(stage, "backfill")

    [run] = await runs.latest(stage.redis, ORG)
    assert (run.scanned, run.total, run.ended) == (3, 0, "")


async def test_a_shop_without_rules_has_no_scan(redis: RedisClient) -> None:
    async with staged(redis, rules="") as stage:
        assert await make_scan(stage) is None
