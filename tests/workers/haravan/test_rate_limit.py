"""Pacing: rate-limit headers in any spelling, and permits that wait in order and report each response."""

from __future__ import annotations

import asyncio

import pytest
from multidict import CIMultiDict

from service.domain.customers.customer import OrgId
from service.store.client import RedisClient
from service.store.queue.rate_limiter import Granted, RateLimiter
from workers.haravan.calls import Request, Response
from workers.haravan.rate_limit import RateLimitExceeded, RateLimitHeaders, WaitingPermits, parse_rate_limit

ORG = OrgId("1000000001")
COUNT = Request("GET count", "/customers/count.json")
START_MS = 1_700_000_000_000


class Time:
    """A clock that sleeping advances, and the durations of all sleeps."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.slept: list[float] = []

    def clock_ms(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_ms += round(seconds * 1000)
        await asyncio.sleep(0)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def rate_limiter(redis: RedisClient, time: Time) -> RateLimiter:
    return RateLimiter(redis, clock_ms=time.clock_ms)


async def fill(rate_limiter: RateLimiter, used: int) -> None:
    grant = await rate_limiter.acquire(ORG, lane="bulk")
    assert isinstance(grant, Granted)
    await rate_limiter.report(ORG, grant, status=200, used=used, size=80)


async def settle(permits: WaitingPermits) -> None:
    permit = await permits.acquire(COUNT)
    await permits.settle(permit, status=200, used=None, size=None, retry_after_s=None)


async def test_a_call_waits_until_there_is_room(rate_limiter: RateLimiter, time: Time) -> None:
    await fill(rate_limiter, 41)
    permits = WaitingPermits(rate_limiter, ORG, lane="bulk", sleep=time.sleep)

    await settle(permits)

    assert sum(time.slept) == pytest.approx(0.75)


async def test_waiting_calls_are_served_in_order(rate_limiter: RateLimiter, time: Time) -> None:
    await fill(rate_limiter, 41)
    permits = WaitingPermits(rate_limiter, ORG, lane="bulk", sleep=time.sleep)
    served: list[int] = []

    async def call(number: int) -> None:
        await settle(permits)
        served.append(number)

    await asyncio.gather(*(call(number) for number in range(20)))

    assert served == list(range(20))


async def test_a_thousand_waiting_calls_poll_no_more_often_than_one(
    rate_limiter: RateLimiter, time: Time
) -> None:
    await fill(rate_limiter, 79)
    permits = WaitingPermits(rate_limiter, ORG, lane="bulk", sleep=time.sleep)
    waiting = [asyncio.create_task(settle(permits)) for _ in range(1000)]

    await waiting[0]

    # 10 s until there is room, polled four times a second; and the next call has begun to poll
    assert len(time.slept) <= 42
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_cancelled_call_gives_its_place_to_the_next(rate_limiter: RateLimiter, time: Time) -> None:
    await fill(rate_limiter, 41)
    stuck = asyncio.Event()

    async def sleep(seconds: float) -> None:
        if not stuck.is_set():
            stuck.set()
            await asyncio.Event().wait()
        await time.sleep(seconds)

    permits = WaitingPermits(rate_limiter, ORG, lane="bulk", sleep=sleep)
    first, second = asyncio.create_task(settle(permits)), asyncio.create_task(settle(permits))
    await stuck.wait()

    first.cancel()

    await second


async def test_after_the_maximum_wait_the_rate_limit_is_exceeded(
    rate_limiter: RateLimiter, time: Time
) -> None:
    await fill(rate_limiter, 79)
    permits = WaitingPermits(rate_limiter, ORG, lane="bulk", max_wait_s=1.0, sleep=time.sleep)

    with pytest.raises(RateLimitExceeded) as caught:
        await permits.acquire(COUNT)

    assert caught.value.reason == "full"
    assert sum(time.slept) <= 1.0


async def test_after_a_429_the_next_call_waits_as_long_as_it_says(
    rate_limiter: RateLimiter, time: Time
) -> None:
    permits = WaitingPermits(rate_limiter, ORG, lane="live", sleep=time.sleep)
    permit = await permits.acquire(COUNT)
    await permits.settle(permit, status=429, used=10, size=80, retry_after_s=7.5)

    await settle(permits)

    assert time.slept == [7.5]


async def test_the_reserve_is_left_to_other_apps(rate_limiter: RateLimiter, time: Time) -> None:
    await fill(rate_limiter, 21)

    await settle(WaitingPermits(rate_limiter, ORG, lane="bulk", reserve=20, sleep=time.sleep))

    assert time.slept


def headers_of(status: int, **headers: str) -> RateLimitHeaders:
    spelled = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return parse_rate_limit(Response(status, spelled, b""))


@pytest.mark.parametrize(
    ("header", "used", "size"),
    [
        pytest.param("32/80", 32, 80, id="as-documented"),
        pytest.param("0/80", 0, 80, id="empty"),
        pytest.param("80/80", 80, 80, id="full"),
        pytest.param(" 32 / 80 ", 32, 80, id="spaces"),
        pytest.param("32.75/80", 32, 80, id="fraction"),
        pytest.param("100/400", 100, 400, id="larger-bucket"),
        pytest.param("", None, None, id="blank"),
        pytest.param("32", None, None, id="no-size"),
        pytest.param("-1/80", None, None, id="negative"),
        pytest.param("a/b", None, None, id="letters"),
        pytest.param("٣٢/٨٠", None, None, id="other-digits"),
        pytest.param("9999999999/80", None, None, id="absurd"),
    ],
)
def test_the_call_limit_is_parsed(header: str, used: int | None, size: int | None) -> None:
    assert headers_of(200, X_Haravan_Api_Call_Limit=header) == RateLimitHeaders(used=used, size=size)


def test_a_response_without_headers_has_no_limits() -> None:
    assert headers_of(200) == RateLimitHeaders()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("2.0", 2.0, id="as-documented"),
        pytest.param("5", 5.0, id="whole"),
        pytest.param("0.5", 0.5, id="half"),
        pytest.param(" 3.0 ", 3.0, id="spaces"),
        pytest.param("60", 60.0, id="a-minute"),
        pytest.param("3600", 60.0, id="an-hour"),
        pytest.param("0", 2.0, id="zero"),
        pytest.param("-4", 2.0, id="negative"),
        pytest.param("nan", 2.0, id="nan"),
        pytest.param("inf", 2.0, id="infinite"),
        pytest.param("", 2.0, id="blank"),
        pytest.param("soon", 2.0, id="word"),
        pytest.param("Wed, 21 Oct 2026 07:28:00 GMT", 2.0, id="date"),
    ],
)
def test_retry_after_is_at_most_a_minute_and_two_seconds_if_it_makes_no_sense(
    header: str, seconds: float
) -> None:
    assert headers_of(429, Retry_After=header).retry_after_s == seconds


def test_a_429_without_retry_after_waits_two_seconds() -> None:
    assert headers_of(429).retry_after_s == 2.0


def test_retry_after_of_another_status_is_ignored() -> None:
    assert headers_of(503, Retry_After="30").retry_after_s is None
