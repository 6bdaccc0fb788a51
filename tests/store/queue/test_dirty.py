"""Marks: the promises of one call of mark_dirty.lua."""

from __future__ import annotations

from arq.connections import ArqRedis

from service.domain.customers.customer import CustomerId, OrgId
from service.store.client import keys
from service.store.history.deliveries import list_deliveries, list_for_customer
from service.store.queue.dirty import DirtyEvent, MarkResult, mark_dirty
from service.store.queue.lease import LeaseManager
from service.store.queue.rate_limiter import RateLimiter
from service.store.queue.settlement import Mark

ORG = OrgId("1000000001")
P = keys.shop(ORG)


async def test_fifty_updates_are_one_mark_and_one_wake_up(redis: ArqRedis) -> None:
    events = [DirtyEvent("7", updated_ms=str(i), identity=i.to_bytes(16)) for i in range(1, 51)]

    made = await mark_dirty(redis, ORG, events, lane="live")

    assert await redis.zrange(P + "ready:live", 0, -1) == [b"7"]
    [one] = await taken(redis)
    assert (one.customer, one.updated_ms, one.last_delivery) == (7, 50, made[-1].delivery)
    found = await list_for_customer(redis, ORG, CustomerId(7))
    assert [each.id for each in found] == [each.delivery for each in reversed(made)]
    assert await redis.zcard("tagger:queue:drain") == 1


async def test_the_same_delivery_again_is_labelled_and_marks_again(redis: ArqRedis) -> None:
    event = DirtyEvent("7", identity=b"a" * 16)

    first = await mark_dirty(redis, ORG, [event, event], lane="live")
    later = await mark_dirty(redis, ORG, [event], lane="live", now_ms=first_ms(first) + 86_400_000)

    assert [(each.outcome, each.is_repeat) for each in first + later] == [
        ("marked", False),
        ("marked", True),
        ("marked", True),
    ]
    assert [each.last_delivery for each in await taken(redis)] == [later[0].delivery]


async def taken(redis: ArqRedis) -> list[Mark]:
    """The marks that a drain dequeues now."""
    turn = await LeaseManager(redis, rate_limiter=RateLimiter(redis)).acquire(ORG, token="lease")
    assert turn is not None
    marks, _ = await turn.dequeue()
    return marks


def first_ms(marked: list[MarkResult]) -> int:
    return int(marked[0].delivery.split("-")[0])


async def test_an_echo_is_recorded_and_not_marked(redis: ArqRedis) -> None:
    await redis.hset(P + "echo_digests", "7", "aaaa bbbb")

    marked = await mark_dirty(redis, ORG, [DirtyEvent("7", digest="bbbb", identity=b"1" * 16)], lane="live")

    assert marked[0].outcome == "echo"
    assert not await redis.exists(P + "mark:7")
    assert await redis.xlen(P + "deliveries") == 1


async def test_a_bulk_mark_never_demotes_a_live_one(redis: ArqRedis) -> None:
    await mark_dirty(redis, ORG, [DirtyEvent("7")], lane="live")

    await mark_dirty(redis, ORG, [DirtyEvent("7", cause="replay:R1")], lane="bulk")

    assert await redis.zscore(P + "ready:live", "7") == 1
    assert await redis.zcard(P + "ready:bulk") == 0
    assert await redis.hget(P + "mark:7", "runs") == b"R1"


async def test_a_live_mark_promotes_a_bulk_one_and_keeps_its_position(redis: ArqRedis) -> None:
    await mark_dirty(redis, ORG, [DirtyEvent("7", cause="replay:R1"), DirtyEvent("8")], lane="bulk")

    await mark_dirty(redis, ORG, [DirtyEvent("7")], lane="live")

    assert await redis.zrange(P + "ready:live", 0, -1, withscores=True) == [(b"7", 1.0)]
    assert await redis.zrange(P + "ready:bulk", 0, -1) == [b"8"]


async def test_an_ignored_delivery_is_recorded_with_its_reason(redis: ArqRedis) -> None:
    event = DirtyEvent("", identity=b"2" * 16, note="ignored:test", record=b"x")

    await mark_dirty(redis, ORG, [event], lane="live")

    [delivery] = (await list_deliveries(redis, ORG)).deliveries
    assert (delivery.customer, delivery.outcome, delivery.repeat) == (None, "ignored:test", False)
    assert not await redis.exists(keys.partition_key(ORG, "due_shops"))


async def test_a_paused_shop_keeps_its_marks_and_is_not_woken(redis: ArqRedis) -> None:
    await redis.hset(P + "state", "paused", "401")

    await mark_dirty(redis, ORG, [DirtyEvent("7")], lane="live")

    assert await redis.zcard(P + "ready:live") == 1
    assert await redis.zcard("tagger:queue:drain") == 0
