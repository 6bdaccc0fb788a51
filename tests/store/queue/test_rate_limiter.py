"""The rate limiter: which calls are granted, which wait, and how responses change the level."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from service.domain.customers.customer import OrgId
from service.store.client import RedisClient, keys
from service.store.queue.dirty import Lane
from service.store.queue.rate_limiter import NOT_SENT, Denied, Granted, RateLimiter, Usage

ORG = OrgId("1000000001")
START_MS = 1_700_000_000_000


@dataclass
class Clock:
    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bucket(redis: RedisClient, clock: Clock) -> RateLimiter:
    return RateLimiter(redis, clock_ms=clock)


async def responded(bucket: RateLimiter, used: int, *, size: int = 80) -> None:
    """Make one call, whose answer says how full Haravan's bucket is."""
    await bucket.report(ORG, await granted(bucket), status=200, used=used, size=size)


async def calm(bucket: RateLimiter, clock: Clock, used: int = 0) -> None:
    """Two minutes in which nobody else called."""
    for _ in range(65):
        await bucket.report(ORG, await granted(bucket), status=200, used=0, size=80)
        clock.advance(2)
    await responded(bucket, used)


async def granted(bucket: RateLimiter, lane: Lane = "bulk", *, reserve: int = 0) -> Granted:
    answer = await bucket.acquire(ORG, lane=lane, reserve=reserve)
    assert isinstance(answer, Granted), answer
    return answer


async def refused(bucket: RateLimiter, lane: Lane = "bulk", *, reserve: int = 0) -> Denied:
    answer = await bucket.acquire(ORG, lane=lane, reserve=reserve)
    assert isinstance(answer, Denied), answer
    return answer


async def grants(bucket: RateLimiter, lane: Lane, *, reserve: int = 0) -> int:
    """How many calls may be on the way at once."""
    count = 0
    while isinstance(await bucket.acquire(ORG, lane=lane, reserve=reserve), Granted):
        count += 1
    return count


@pytest.mark.parametrize("lane", ["live", "bulk"])
async def test_an_unknown_shop_is_probed_with_one_call_first(bucket: RateLimiter, lane: Lane) -> None:
    assert await grants(bucket, lane) == 1
    assert (await refused(bucket, lane)).reason == "probing"


async def test_a_first_call_whose_process_died_holds_the_others_up_for_two_seconds(
    bucket: RateLimiter, clock: Clock
) -> None:
    await granted(bucket)
    clock.advance(2.01)

    assert await grants(bucket, "bulk") == 1


@pytest.mark.parametrize(("silent_s", "calls"), [(4, 40), (6, 4), (119, 4), (121, 1)])
async def test_the_longer_the_silence_the_fewer_calls_probe(
    bucket: RateLimiter, clock: Clock, silent_s: float, calls: int
) -> None:
    await responded(bucket, used=2)
    clock.advance(silent_s)

    assert await grants(bucket, "bulk") == calls


async def test_the_first_answer_opens_the_bucket(bucket: RateLimiter) -> None:
    await responded(bucket, used=1)

    assert await grants(bucket, "bulk") == 38  # 40, less the one used and the one that rounding may hide


@pytest.mark.parametrize(
    ("lane", "size", "reserve", "places"),
    [
        pytest.param("bulk", 80, 0, 40, id="bulk-holds-half"),
        pytest.param("live", 80, 0, 76, id="live-stays-a-step-below-the-brim"),
        pytest.param("bulk", 80, 20, 20, id="bulk-leaves-the-reserve"),
        pytest.param("live", 80, 20, 56, id="live-leaves-the-reserve"),
        pytest.param("bulk", 40, 0, 20, id="bulk-learns-a-smaller-bucket"),
        pytest.param("live", 40, 0, 38, id="live-learns-a-smaller-bucket"),
        pytest.param("live", 200, 0, 190, id="live-learns-a-larger-bucket"),
    ],
)
async def test_each_lane_fills_the_bucket_to_its_own_level(
    bucket: RateLimiter, clock: Clock, lane: Lane, size: int, reserve: int, places: int
) -> None:
    await calm(bucket, clock)
    await responded(bucket, used=0, size=size)

    assert await grants(bucket, lane, reserve=reserve) == places - 1


async def test_a_reserve_larger_than_the_bucket_still_lets_one_call_through(
    bucket: RateLimiter, clock: Clock
) -> None:
    await responded(bucket, used=0)
    clock.advance(3)

    assert await grants(bucket, "bulk", reserve=79) == 1


@pytest.mark.parametrize("size", [0, 3, 99_999], ids=["nothing", "tiny", "absurd"])
async def test_a_size_that_cannot_be_is_not_learned(bucket: RateLimiter, size: int) -> None:
    await responded(bucket, used=1, size=size)

    assert (await bucket.usage(ORG)).size == 80


async def test_live_keeps_room_for_bursts_where_another_app_was_noticed(
    bucket: RateLimiter, clock: Clock
) -> None:
    await calm(bucket, clock, used=20)  # nobody of ours made twenty calls
    await responded(bucket, used=0)

    assert await grants(bucket, "live") == 59


async def test_live_fills_the_bucket_again_two_minutes_after_the_last_burst(
    bucket: RateLimiter, clock: Clock
) -> None:
    await calm(bucket, clock, used=20)
    await calm(bucket, clock)

    assert await grants(bucket, "live") == 75


async def test_what_leaks_may_be_spent_again(bucket: RateLimiter, clock: Clock) -> None:
    await responded(bucket, used=39)
    assert (await refused(bucket)).reason == "full"

    clock.advance(2.5)

    assert await grants(bucket, "bulk") == 10


async def test_the_leak_can_be_faster(redis: RedisClient, clock: Clock) -> None:
    bucket = RateLimiter(redis, clock_ms=clock, leak_per_s=400)
    await responded(bucket, used=39)

    clock.advance(0.05)

    assert await grants(bucket, "bulk") == 20


@pytest.mark.parametrize(
    ("used", "wait_s"), [(39, 0.25), (79, 0.25)], ids=["nearly-there", "never-longer-than-a-quarter"]
)
async def test_a_full_bucket_says_when_to_ask_again(bucket: RateLimiter, used: int, wait_s: float) -> None:
    await responded(bucket, used=used)

    assert await refused(bucket) == Denied(wait_s, "full")


async def test_the_header_shows_what_another_app_used(bucket: RateLimiter) -> None:
    await responded(bucket, used=1)
    await bucket.report(ORG, await granted(bucket), status=200, used=60, size=80)

    assert (await refused(bucket)).reason == "full"


async def test_an_answer_that_was_overtaken_does_not_hide_a_burst(bucket: RateLimiter) -> None:
    await responded(bucket, used=1)
    early, late = await granted(bucket), await granted(bucket)
    await bucket.report(ORG, late, status=200, used=60, size=80)

    await bucket.report(ORG, early, status=200, used=2, size=80)

    assert (await bucket.usage(ORG)).level >= 60


async def test_calls_without_a_header_are_added_to_an_earlier_reading(bucket: RateLimiter) -> None:
    await responded(bucket, used=0)
    flights = [await granted(bucket) for _ in range(10)]
    for grant in flights[:9]:
        await bucket.report(ORG, grant, status=200)

    await bucket.report(ORG, flights[9], status=200, used=1, size=80)

    assert (await bucket.usage(ORG)).level == 1 + 1 + 9


async def test_a_burst_does_not_count_itself_twice(bucket: RateLimiter) -> None:
    await responded(bucket, used=0)
    flights = [await granted(bucket) for _ in range(20)]

    for grant in flights:
        await bucket.report(ORG, grant, status=200, used=21, size=80)

    assert (await bucket.usage(ORG)).level == 22


async def test_without_headers_our_own_count_holds(bucket: RateLimiter) -> None:
    for _ in range(40):
        await bucket.report(ORG, await granted(bucket), status=200)

    assert (await refused(bucket)).reason == "full"


async def test_a_throttled_shop_waits_as_long_as_haravan_asks(bucket: RateLimiter, clock: Clock) -> None:
    await bucket.report(ORG, await granted(bucket), status=429, retry_after_s=2.0)

    assert await refused(bucket, "live") == Denied(2.0, "blocked")
    clock.advance(2.0)
    assert (await refused(bucket, "live")).reason == "full"  # nothing was said: it may be full to the brim
    clock.advance(3.5)
    await granted(bucket, "live")


async def test_a_429_with_a_header_sets_the_level(bucket: RateLimiter, clock: Clock) -> None:
    await bucket.report(ORG, await granted(bucket), status=429, used=20, size=80, retry_after_s=2.0)

    clock.advance(2.0)

    await granted(bucket, "bulk")


async def test_a_429_that_was_overtaken_is_a_full_bucket_whatever_the_newer_answer_said(
    bucket: RateLimiter, clock: Clock
) -> None:
    """Which of the two reached Haravan first is not known, so the fuller one is believed: bulk waits for 10 s."""
    await responded(bucket, used=0)
    early, late = await granted(bucket), await granted(bucket)
    await bucket.report(ORG, late, status=200, used=2, size=80)

    await bucket.report(ORG, early, status=429, used=1, size=80, retry_after_s=1.0)

    clock.advance(10)
    assert await refused(bucket, "bulk") == Denied(0.25, "full")
    clock.advance(0.25)
    await granted(bucket, "bulk")


async def test_a_later_429_never_shortens_the_wait(bucket: RateLimiter) -> None:
    await responded(bucket, used=0)
    first, second = await granted(bucket), await granted(bucket)
    await bucket.report(ORG, first, status=429, retry_after_s=30)

    await bucket.report(ORG, second, status=429, retry_after_s=1)

    assert await refused(bucket, "live") == Denied(30.0, "blocked")


async def test_no_call_is_blocked_for_more_than_a_minute(bucket: RateLimiter) -> None:
    await bucket.report(ORG, await granted(bucket), status=429, retry_after_s=86_400)

    assert (await refused(bucket)).wait_s == 60


async def test_a_lost_answer_counts_as_spent(bucket: RateLimiter) -> None:
    await responded(bucket, used=0)
    before = (await bucket.usage(ORG)).level

    await bucket.report(ORG, await granted(bucket), status=None)

    assert await bucket.usage(ORG) == replace(await bucket.usage(ORG), level=before + 1, in_flight=0)


async def test_a_permit_that_was_not_used_costs_nothing(bucket: RateLimiter) -> None:
    await responded(bucket, used=0)
    before = await bucket.usage(ORG)

    await bucket.report(ORG, await granted(bucket), status=NOT_SENT)

    assert await bucket.usage(ORG) == before


async def test_reporting_twice_counts_once(bucket: RateLimiter) -> None:
    await responded(bucket, used=0)
    grant = await granted(bucket)
    await bucket.report(ORG, grant, status=200, used=1, size=80)
    once = await bucket.usage(ORG)

    await bucket.report(ORG, grant, status=200, used=1, size=80)

    assert await bucket.usage(ORG) == once


async def test_the_calls_of_a_dead_worker_are_given_up_after_fifteen_seconds_and_counted_as_spent(
    redis: RedisClient, clock: Clock
) -> None:
    bucket = RateLimiter(redis, clock_ms=clock, leak_per_s=0.001)
    await responded(bucket, used=0)
    assert await grants(bucket, "bulk") == 39

    clock.advance(15)

    assert (await refused(bucket)).reason == "full"
    assert (await bucket.usage(ORG)).in_flight == 0
    assert (await bucket.usage(ORG)).level == pytest.approx(40, abs=0.1)


async def test_an_answer_after_its_permit_was_given_up_is_not_counted_again(
    bucket: RateLimiter, clock: Clock
) -> None:
    grant = await granted(bucket)
    clock.advance(16)
    await granted(bucket)
    before = (await bucket.usage(ORG)).level

    await bucket.report(ORG, grant, status=200)

    assert (await bucket.usage(ORG)).level == before


async def test_after_a_silence_a_few_calls_go_first(bucket: RateLimiter, clock: Clock) -> None:
    await responded(bucket, used=0)

    clock.advance(6)

    assert await grants(bucket, "bulk") == 4


async def test_a_clock_that_steps_back_an_hour_stops_no_call(bucket: RateLimiter, clock: Clock) -> None:
    await responded(bucket, used=39)
    await bucket.report(ORG, await granted(bucket, "live"), status=429, retry_after_s=5)
    await refused(bucket, "live")

    clock.advance(-3600)
    await refused(bucket)
    clock.advance(61)

    assert await grants(bucket, "bulk") > 0


async def test_bulk_waits_while_a_live_call_does(bucket: RateLimiter, clock: Clock) -> None:
    for _ in range(5):  # so that bulk is owed nothing
        await responded(bucket, used=0)
    await bucket.report(ORG, await granted(bucket), status=429, used=0, retry_after_s=0.1)
    await refused(bucket, "live")
    clock.advance(0.15)

    assert (await refused(bucket, "bulk")).reason == "live first"


async def test_live_finds_room_where_bulk_has_filled_its_half(bucket: RateLimiter) -> None:
    await responded(bucket, used=0)
    assert await grants(bucket, "bulk") == 39

    assert await grants(bucket, "live") == 20


async def test_bulk_gets_its_tenth_while_live_waits_all_the_time(bucket: RateLimiter, clock: Clock) -> None:
    await responded(bucket, used=75)
    counts: dict[Lane, int] = {"live": 0, "bulk": 0}
    for _ in range(600 * 10):
        for lane in counts:
            answer = await bucket.acquire(ORG, lane=lane)
            if isinstance(answer, Granted):
                counts[lane] += 1
                await bucket.report(ORG, answer, status=200)
        clock.advance(0.1)

    assert counts["bulk"] == pytest.approx(240, abs=10)
    assert counts["live"] == pytest.approx(2160, abs=30)


async def test_bulk_alone_never_uses_the_room_that_is_live_s(bucket: RateLimiter, clock: Clock) -> None:
    await responded(bucket, used=39)
    clock.advance(5)  # live was here a while ago
    for _ in range(100):
        await bucket.report(ORG, await granted(bucket), status=200, used=38, size=80)
        clock.advance(0.25)

    await bucket.report(ORG, await granted(bucket), status=200, used=60, size=80)

    assert (await refused(bucket)).reason == "full"


async def test_each_shop_has_its_own_rate_limit(bucket: RateLimiter) -> None:
    await bucket.report(ORG, await granted(bucket), status=429, retry_after_s=30)

    assert isinstance(await bucket.acquire(OrgId("1000000002"), lane="bulk"), Granted)


async def test_permits_from_before_a_flush_leave_the_new_bucket_listening(
    redis: RedisClient, bucket: RateLimiter
) -> None:
    for _ in range(20):
        await responded(bucket, used=1)
    old = await granted(bucket)
    await redis.flushall()
    await bucket.report(ORG, old, status=200, used=1, size=80)

    await responded(bucket, used=60)

    assert (await bucket.usage(ORG)).level >= 60


async def test_the_server_s_own_time_is_used_unless_a_clock_is_given(redis: RedisClient) -> None:
    bucket = RateLimiter(redis, leak_per_s=0.001)  # nobody knows how much time goes by between the two looks

    await bucket.report(ORG, await granted(bucket), status=200, used=10, size=80)

    level = await bucket.usage(ORG)
    assert level.level == pytest.approx(11, abs=0.5)
    assert (level.size, level.in_flight, level.blocked_s) == (80, 0, 0)


async def test_a_shop_never_seen_has_an_empty_bucket(redis: RedisClient, bucket: RateLimiter) -> None:
    assert await bucket.usage(ORG) == Usage(level=0, size=80, in_flight=0, blocked_s=0)
    assert not await redis.exists(keys.shop(ORG, "rate_limit"))
