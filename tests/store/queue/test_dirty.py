"""Marks: the promises of one call of mark_dirty.lua."""

from __future__ import annotations

from typing import Any

from service.domain.customers.customer import CustomerId, OrgId
from service.store.client import RedisClient, keys, load_script
from service.store.history.deliveries import list_deliveries, list_for_customer
from service.store.queue.dirty import DirtyEvent, MarkResult, Quota, encode_events, mark_dirty
from service.store.queue.lease import LeaseManager
from service.store.queue.rate_limiter import RateLimiter
from service.store.queue.settlement import Mark
from tests.support.store import all_keys

ORG = OrgId("1000000001")
P = keys.shop(ORG)
DAY_MS = 86_400_000


async def test_fifty_updates_are_one_mark_and_one_wake_up(redis: RedisClient) -> None:
    events = [DirtyEvent("7", updated_ms=str(i), identity=i.to_bytes(16)) for i in range(1, 51)]

    made = await mark_dirty(redis, ORG, events, lane="live")

    assert await redis.zrange(P + "ready:live", 0, -1) == [b"7"]
    [one] = await taken(redis)
    assert (one.customer, one.updated_ms, one.last_delivery) == (7, 50, made[-1].delivery)
    found = await list_for_customer(redis, ORG, CustomerId(7))
    assert [each.id for each in found] == [each.delivery for each in reversed(made)]
    assert await redis.queue.zcard("tagger:queue:drain") == 1


async def test_the_same_delivery_again_is_counted_on_the_first_record(redis: RedisClient) -> None:
    event = DirtyEvent("7", identity=b"a" * 16)

    first = await mark_dirty(redis, ORG, [event, event], lane="live")
    later = await mark_dirty(redis, ORG, [event], lane="live", now_ms=first_ms(first) + 86_400_000)

    assert [(each.outcome, each.is_repeat) for each in first + later] == [
        ("marked", False),
        ("marked", True),
        ("marked", True),
    ]
    assert [each.last_delivery for each in await taken(redis)] == [first[0].delivery]
    [recorded] = (await list_deliveries(redis, ORG)).deliveries
    assert (recorded.id, recorded.repeats) == (first[0].delivery, 2)


async def test_a_repeat_in_a_batch_does_not_shift_the_ids_of_the_others(redis: RedisClient) -> None:
    events = [DirtyEvent("7", identity=name) for name in (b"a", b"a", b"b", b"a", b"c")]

    made = await mark_dirty(redis, ORG, events, lane="live")

    listed = (await list_deliveries(redis, ORG)).deliveries
    assert [each.repeats for each in listed] == [0, 0, 2]
    assert [each.delivery for each in made if not each.is_repeat] == [each.id for each in reversed(listed)]


async def test_repeats_take_neither_memory_nor_disk(redis: RedisClient) -> None:
    client: Any = redis
    event = DirtyEvent("7", identity=b"a" * 16, record=b"x" * 60)
    await mark_dirty(redis, ORG, [event, event], lane="live")
    before = [await redis.dump(key) for key in sorted(await all_keys(redis, P + "*"))]
    memory = (await client.info("memory"))["used_memory_dataset"]

    for _ in range(500):
        await mark_dirty(redis, ORG, [event], lane="live")

    after = [await redis.dump(key) for key in sorted(await all_keys(redis, P + "*"))]
    assert sum(map(len, after)) <= sum(map(len, before)) + 16
    assert (await client.info("memory"))["used_memory_dataset"] - memory < 500 * 20


async def test_a_repeat_voids_the_read_of_a_drain_that_has_begun(redis: RedisClient) -> None:
    event = DirtyEvent("7", identity=b"a" * 16)
    await mark_dirty(redis, ORG, [event], lane="live")
    [read] = await taken(redis)

    await mark_dirty(redis, ORG, [event], lane="live")

    assert int(await redis.hget(P + "mark:7", "generation")) > read.generation


QUOTA = Quota(customers=3, deliveries=5)


async def deliver(redis: RedisClient, *numbers: int, customer: int = 0, now_ms: int = 0) -> Any:
    """Write deliveries as the web process does. The reply of the script."""
    events = [DirtyEvent(str(customer or number), identity=number.to_bytes(16)) for number in numbers]
    args = encode_events(events, lane="live", retention_s=3600, quota=QUOTA, now_ms=now_ms)
    return await load_script("queue", "mark_dirty")(redis, ORG, *args)


async def test_a_shop_with_too_many_waiting_customers_is_refused_and_nothing_is_written(
    redis: RedisClient,
) -> None:
    await deliver(redis, 1, 2, 3)
    before = sorted([(key, await redis.dump(key)) for key in await all_keys(redis, "*")])

    assert await deliver(redis, 4) == [b"over_quota", b"customers"]

    assert sorted([(key, await redis.dump(key)) for key in await all_keys(redis, "*")]) == before


async def test_a_shop_is_accepted_again_when_fewer_customers_wait(redis: RedisClient) -> None:
    await deliver(redis, 1, 2, 3)
    await redis.zrem(P + "ready:live", "1")

    assert (await deliver(redis, 4))[0] != b"over_quota"


async def test_a_scan_of_a_large_shop_uses_up_no_quota(redis: RedisClient) -> None:
    await mark_dirty(redis, ORG, [DirtyEvent(str(each)) for each in range(1, 20)], lane="bulk")

    assert (await deliver(redis, 50))[0] != b"over_quota"


async def test_too_many_deliveries_of_one_day_are_refused(redis: RedisClient) -> None:
    for number in range(1, 6):
        await deliver(redis, number, customer=7)

    assert await deliver(redis, 6, customer=7) == [b"over_quota", b"deliveries"]


async def test_the_oldest_days_make_room_for_new_deliveries(redis: RedisClient) -> None:
    await deliver(redis, 1, 2, 3, 4, 5, customer=7)
    tomorrow = await now_ms(redis) + DAY_MS

    reply = await deliver(redis, 6, customer=7, now_ms=tomorrow)

    assert reply[0] != b"over_quota"
    counts = await redis.hgetall(P + "delivery_counts")
    assert counts == {b"total": b"1", str(tomorrow // DAY_MS).encode(): b"1"}


async def now_ms(redis: RedisClient) -> int:
    client: Any = redis
    return int((await client.time())[0]) * 1000


async def taken(redis: RedisClient) -> list[Mark]:
    """The marks that a drain dequeues now."""
    turn = await LeaseManager(redis, rate_limiter=RateLimiter(redis)).acquire(ORG, token="lease")
    assert turn is not None
    marks, _ = await turn.dequeue()
    return marks


def first_ms(marked: list[MarkResult]) -> int:
    return int(marked[0].delivery.split("-")[0])


async def test_an_echo_is_recorded_and_not_marked(redis: RedisClient) -> None:
    await redis.hset(P + "echo_digests", "7", "aaaa bbbb")

    marked = await mark_dirty(redis, ORG, [DirtyEvent("7", digest="bbbb", identity=b"1" * 16)], lane="live")

    assert marked[0].outcome == "echo"
    assert not await redis.exists(P + "mark:7")
    assert await redis.xlen(P + "deliveries") == 1


async def test_a_bulk_mark_never_demotes_a_live_one(redis: RedisClient) -> None:
    await mark_dirty(redis, ORG, [DirtyEvent("7")], lane="live")

    await mark_dirty(redis, ORG, [DirtyEvent("7", cause="replay:R1")], lane="bulk")

    assert await redis.zscore(P + "ready:live", "7") == 1
    assert await redis.zcard(P + "ready:bulk") == 0
    assert await redis.hget(P + "mark:7", "runs") == b"R1"


async def test_a_live_mark_promotes_a_bulk_one_and_keeps_its_position(redis: RedisClient) -> None:
    await mark_dirty(redis, ORG, [DirtyEvent("7", cause="replay:R1"), DirtyEvent("8")], lane="bulk")

    await mark_dirty(redis, ORG, [DirtyEvent("7")], lane="live")

    assert await redis.zrange(P + "ready:live", 0, -1, withscores=True) == [(b"7", 1.0)]
    assert await redis.zrange(P + "ready:bulk", 0, -1) == [b"8"]


async def test_an_ignored_delivery_is_recorded_with_its_reason(redis: RedisClient) -> None:
    event = DirtyEvent("", identity=b"2" * 16, note="ignored:test", record=b"x")

    await mark_dirty(redis, ORG, [event], lane="live")

    [delivery] = (await list_deliveries(redis, ORG)).deliveries
    assert (delivery.customer, delivery.outcome, delivery.repeats) == (None, "ignored:test", 0)
    assert not await redis.exists(keys.partition_key(ORG, "due_shops"))


async def test_a_paused_shop_keeps_its_marks_and_is_not_woken(redis: RedisClient) -> None:
    await redis.hset(P + "state", "paused", "401")

    await mark_dirty(redis, ORG, [DirtyEvent("7")], lane="live")

    assert await redis.zcard(P + "ready:live") == 1
    assert await redis.queue.zcard("tagger:queue:drain") == 0
