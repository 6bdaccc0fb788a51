"""The backlog of the queues, for /metrics, the console, `tagger doctor` and the demo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys
from service.store.queue.rate_limiter import LEAK_PER_S, LEVEL_FIELDS, level_now

QUEUES: Final = ("ready:live", "ready:bulk", "planned:live", "planned:bulk")
ALL_QUEUES: Final = (*QUEUES, "delayed")
STATES: Final = ("live", "bulk", "planned", "delayed")


@dataclass(frozen=True, slots=True)
class ShopBacklog:
    """The backlog of one shop at one moment."""

    org: OrgId
    customers: dict[str, int]  # by state: `live` and `bulk` (both ready), `planned`, `delayed`
    oldest_s: float  # age of the oldest live mark
    dead_letters: int  # customers with an open dead letter
    paused: bool
    rate_limit_used: float  # of 80 calls

    @property
    def waiting(self) -> int:
        """Customers that wait for a drain, without the delayed ones."""
        return sum(self.customers.values()) - self.customers["delayed"]


async def load_backlogs(redis: RedisClient, orgs: Sequence[OrgId]) -> list[ShopBacklog]:
    """The backlogs of these shops, in two round trips."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        for org in orgs:
            for name in ALL_QUEUES:
                pipe.zcard(keys.shop(org, name))
            pipe.hlen(keys.shop(org, "dead_letters"))
            pipe.hexists(keys.shop(org, "state"), "paused")
            pipe.hmget(keys.shop(org, "rate_limit"), LEVEL_FIELDS)
            for name in ("ready:live", "planned:live"):
                pipe.zrange(keys.shop(org, name), 0, 0)
        (seconds, _), *replies = await pipe.execute()
        width = len(ALL_QUEUES) + 5
        rows = [replies[start : start + width] for start in range(0, len(replies), width)]
        for org, row in zip(orgs, rows, strict=True):
            for oldest in row[-2:]:
                pipe.hget(keys.shop(org, f"mark:{oldest[0].decode() if oldest else ''}"), "enqueued_ms")
        enqueued = await pipe.execute()
    now_ms = int(seconds) * 1000
    return [
        _backlog(org, row, enqueued[2 * index : 2 * index + 2], now_ms=now_ms)
        for index, (org, row) in enumerate(zip(orgs, rows, strict=True))
    ]


async def count_due(redis: RedisClient, org: OrgId, *, until_ms: int) -> int:
    """How many customers are due for a drain at `until_ms`; customers that are delayed beyond it do not count."""
    async with redis.pipeline(transaction=False) as pipe:
        for name in QUEUES:
            pipe.zcard(keys.shop(org, name))
        pipe.zcount(keys.shop(org, "delayed"), "-inf", until_ms)
        return sum(await pipe.execute())


def _backlog(org: OrgId, row: Sequence[Any], enqueued: Sequence[bytes | None], *, now_ms: int) -> ShopBacklog:
    live, bulk, planned_live, planned_bulk, delayed, dead_letters, paused, level, *_ = row
    oldest_ms = min((int(value) for value in enqueued if value), default=now_ms)
    counts = (live, bulk, planned_live + planned_bulk, delayed)
    return ShopBacklog(
        org=org,
        customers=dict(zip(STATES, counts, strict=True)),
        oldest_s=max(0.0, (now_ms - oldest_ms) / 1000),
        dead_letters=dead_letters,
        paused=bool(paused),
        rate_limit_used=level_now(level, now_ms=now_ms, leak_per_s=LEAK_PER_S)[0],
    )
