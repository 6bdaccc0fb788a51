"""The API bucket: what is granted, what has to wait, and how the answers move it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from arq.connections import ArqRedis

from service.domain.customers import OrgId
from service.store import keys
from service.store.bucket import UNSENT, Bucket, Grant, Lane, Wait

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
def bucket(redis: ArqRedis, clock: Clock) -> Bucket:
    return Bucket(redis, clock_ms=clock)


async def heard(bucket: Bucket, used: int, size: int = 80) -> None:
    """Make one call whose answer says how full the bucket is."""
    grant = await granted(bucket, "live")
    await bucket.report(ORG, grant, status=200, used=used, size=size)


async def granted(bucket: Bucket, lane: Lane = "bulk", reserve: int = 0) -> Grant:
    answer = await bucket.acquire(ORG, lane=lane, reserve=reserve)
    assert isinstance(answer, Grant), answer
    return answer


async def refused(bucket: Bucket, lane: Lane = "bulk", reserve: int = 0) -> Wait:
    answer = await bucket.acquire(ORG, lane=lane, reserve=reserve)
    assert isinstance(answer, Wait), answer
    return answer


async def grants(bucket: Bucket, lane: Lane, reserve: int = 0) -> int:
    """How many calls may be on the way at once."""
    count = 0
    while isinstance(await bucket.acquire(ORG, lane=lane, reserve=reserve), Grant):
        count += 1
    return count


async def test_a_shop_that_nothing_is_known_of_is_asked_with_four_calls_first(bucket: Bucket) -> None:
    assert await grants(bucket, "live") == 4
    assert (await refused(bucket, "live")).reason == "probing"
