"""The pacer: one waiter asks, the others queue, and what the answer said reaches the bucket."""

from __future__ import annotations

import asyncio

import pytest
from arq.connections import ArqRedis

from service.domain.customers import OrgId
from service.store.bucket import Bucket, Grant
from workers.haravan.pacer import NoRoom, Pacer
from workers.haravan.requests import Request

ORG = OrgId("1000000001")
COUNT = Request("GET count", "/customers/count.json")
START_MS = 1_700_000_000_000


class Time:
    """A clock that sleeping moves, and how long was slept."""

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
def bucket(redis: ArqRedis, time: Time) -> Bucket:
    return Bucket(redis, clock_ms=time.clock_ms)


async def fill(bucket: Bucket, used: int) -> None:
    grant = await bucket.acquire(ORG, lane="bulk")
    assert isinstance(grant, Grant)
    await bucket.report(ORG, grant, status=200, used=used, size=80)


async def settle(pacer: Pacer) -> None:
    permit = await pacer.acquire(COUNT)
    await pacer.settle(permit, status=200, used=None, size=None, retry_after_s=None)


async def test_a_call_waits_until_there_is_room(bucket: Bucket, time: Time) -> None:
    await fill(bucket, 41)
    pacer = Pacer(bucket, ORG, lane="bulk", sleep=time.sleep)

    await settle(pacer)

    assert sum(time.slept) == pytest.approx(0.75)


async def test_those_who_wait_are_served_in_the_order_in_which_they_came(bucket: Bucket, time: Time) -> None:
    await fill(bucket, 41)
    pacer = Pacer(bucket, ORG, lane="bulk", sleep=time.sleep)
    served: list[int] = []

    async def one(number: int) -> None:
        await settle(pacer)
        served.append(number)

    await asyncio.gather(*(one(number) for number in range(20)))

    assert served == list(range(20))


async def test_a_thousand_waiting_calls_ask_no_more_often_than_one(bucket: Bucket, time: Time) -> None:
    await fill(bucket, 79)
    pacer = Pacer(bucket, ORG, lane="bulk", sleep=time.sleep)
    waiting = [asyncio.create_task(settle(pacer)) for _ in range(1000)]

    await waiting[0]

    assert len(time.slept) <= 41  # 10 s until a place is free, asked four times a second
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_one_that_was_cancelled_lets_the_next_one_ask(bucket: Bucket, time: Time) -> None:
    await fill(bucket, 41)
    stuck = asyncio.Event()

    async def sleep(seconds: float) -> None:
        if not stuck.is_set():
            stuck.set()
            await asyncio.Event().wait()
        await time.sleep(seconds)

    pacer = Pacer(bucket, ORG, lane="bulk", sleep=sleep)
    first, second = asyncio.create_task(settle(pacer)), asyncio.create_task(settle(pacer))
    await stuck.wait()

    first.cancel()

    await second


async def test_who_does_not_wait_for_long_is_told_that_there_is_no_room(bucket: Bucket, time: Time) -> None:
    await fill(bucket, 79)
    pacer = Pacer(bucket, ORG, lane="bulk", longest_wait_s=1.0, sleep=time.sleep)

    with pytest.raises(NoRoom) as caught:
        await pacer.acquire(COUNT)

    assert caught.value.reason == "full"
    assert sum(time.slept) <= 1.0


async def test_a_429_stops_the_shop_as_long_as_it_says(bucket: Bucket, time: Time) -> None:
    pacer = Pacer(bucket, ORG, lane="live", sleep=time.sleep)
    permit = await pacer.acquire(COUNT)
    await pacer.settle(permit, status=429, used=10, size=80, retry_after_s=7.5)

    await settle(pacer)

    assert time.slept == [7.5]


async def test_the_reserve_is_left_to_other_apps(bucket: Bucket, time: Time) -> None:
    await fill(bucket, 21)

    await settle(Pacer(bucket, ORG, lane="bulk", reserve=20, sleep=time.sleep))

    assert time.slept
