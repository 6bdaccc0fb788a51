"""One record a day says what happened: written by the drain, the sweep and the nightly walk, and read in one round trip."""

from __future__ import annotations

from service.store.client import RedisClient, keys
from service.store.history import DayCounts, TagChanges, TagOfRule, day_counts
from tests.support.shop import ORG

VIP, GOLD = TagOfRule("vip", "VIP"), TagOfRule("hang", "Hạng | Vàng")
WHOLE = DayCounts(
    day=739_000,
    changes={VIP: TagChanges(3, 1), GOLD: TagChanges(0, 2)},
    live_calls=40,
    bulk_calls=2,
    backlog=17,
    oldest_s=4,
    customers=500,
    tagged={"VIP": 30, "Hạng | Vàng": 4},
)


async def test_a_record_reads_as_it_was_saved_and_other_days_are_empty(redis: RedisClient) -> None:
    await day_counts.save_day(redis, ORG, WHOLE)

    days = await day_counts.load_days(redis, ORG, last=WHOLE.day + 1, days=3)

    assert days == (DayCounts(WHOLE.day - 1), WHOLE, DayCounts(WHOLE.day + 1))
    assert (WHOLE.added, WHOLE.removed) == (3, 3)
    assert 0 < await redis.ttl(keys.shop(ORG, f"day_counts:{WHOLE.day}")) <= 400 * keys.DAY_S


async def test_the_changes_of_a_week_are_summed_by_tag_and_rule(redis: RedisClient) -> None:
    for day in (WHOLE.day - 7, WHOLE.day - 6, WHOLE.day):  # the first one is too old
        await day_counts.save_day(redis, ORG, DayCounts(day, {VIP: TagChanges(5, 1)}))

    changes = await day_counts.load_tag_changes(redis, ORG, today=WHOLE.day)

    assert changes == {VIP: TagChanges(10, 2)}


async def test_samples_keep_the_largest_backlog_and_move_every_call_once(redis: RedisClient) -> None:
    ready, rate_limit = keys.shop(ORG, "ready:live"), keys.shop(ORG, "rate_limit")
    await redis.zadd(ready, {"1": 1, "2": 2})
    await redis.hset(keys.shop(ORG, "mark:1"), "enqueued_ms", "1000")
    await redis.hset(rate_limit, mapping={"unsampled_live": 7, "unsampled_bulk": 2})
    await day_counts.sample(redis, ORG, day=WHOLE.day, now_ms=31_000)
    await redis.delete(ready)
    await redis.hincrby(rate_limit, "unsampled_live", 1)

    await day_counts.sample(redis, ORG, day=WHOLE.day, now_ms=61_000)

    [counts] = await day_counts.load_days(redis, ORG, last=WHOLE.day, days=1)
    assert counts == DayCounts(WHOLE.day, live_calls=8, bulk_calls=2, backlog=2, oldest_s=30)


def test_a_week_sums_changes_and_calls_and_keeps_the_worst_backlog_and_the_latest_walk() -> None:
    days = [DayCounts(day, {VIP: TagChanges(1, 0)}, live_calls=2, backlog=day) for day in range(1, 9)]
    days[3] = DayCounts(4, {GOLD: TagChanges(0, 5)}, customers=9, tagged={"VIP": 3})

    rest, week = day_counts.by_week(days)

    assert (rest.day, rest.changes, rest.days) == (1, {VIP: TagChanges(1, 0)}, 7)
    assert week == DayCounts(
        8,
        {VIP: TagChanges(6, 0), GOLD: TagChanges(0, 5)},
        live_calls=12,
        backlog=8,
        customers=9,
        tagged={"VIP": 3},
        days=7,
    )
