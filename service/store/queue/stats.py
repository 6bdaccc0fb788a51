"""The backlog of the queues, for /metrics, the console, `tagger doctor` and the demo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys, load_script, without_away
from service.store.queue.rate_limiter import LEAK_PER_S, level_now

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
    pause_reason: str  # `token_rejected`, `uninstalled`, `mass_404`, or the words of the person who paused it; "" = it works
    removals_paused: bool
    tagged: int  # customers with tags of ours
    deliveries_today: int  # recorded since midnight UTC
    rate_limit_used: float  # of 80 calls

    @property
    def waiting(self) -> int:
        """Customers that wait for a drain, without the delayed ones."""
        return sum(self.customers.values()) - self.customers["delayed"]


async def load_backlogs(redis: RedisClient, orgs: Sequence[OrgId]) -> list[ShopBacklog]:
    """The backlogs of these shops, in one round trip: one script call for each shop.

    Without those whose server is away; raises redis' errors if that is so of all of them.
    """
    async with redis.pipeline(transaction=False) as pipe:
        queue_backlogs(pipe, orgs)
        rows = await pipe.execute(raise_on_error=False)
    return [decode_backlog(org, row) for org, row in without_away(orgs, rows)]


def queue_backlogs(pipe: Any, orgs: Sequence[OrgId]) -> None:
    """Add a command for each shop to a pipeline; its reply is for `decode_backlog`."""
    script = load_script("queue", "backlog")
    for org in orgs:
        script(pipe, org)


async def count_due(redis: RedisClient, org: OrgId, *, until_ms: int) -> int:
    """How many customers are due for a drain at `until_ms`; customers that are delayed beyond it do not count."""
    async with redis.pipeline(transaction=False) as pipe:
        for name in QUEUES:
            pipe.zcard(keys.shop(org, name))
        pipe.zcount(keys.shop(org, "delayed"), "-inf", until_ms)
        return sum(await pipe.execute())


def decode_backlog(org: OrgId, row: Sequence[Any]) -> ShopBacklog:
    """The backlog of a shop, from its reply to `queue_backlogs`."""
    now_ms, live, bulk, planned_live, planned_bulk, delayed, dead_letters, tagged, deliveries, *rest = row
    paused, removals_paused, oldest_ms, *level = rest
    counts = (live, bulk, planned_live + planned_bulk, delayed)
    return ShopBacklog(
        org=org,
        customers=dict(zip(STATES, counts, strict=True)),
        oldest_s=max(0.0, (now_ms - oldest_ms) / 1000) if oldest_ms else 0.0,
        dead_letters=dead_letters,
        pause_reason=paused.decode(),
        removals_paused=bool(removals_paused),
        tagged=tagged,
        deliveries_today=deliveries,
        rate_limit_used=level_now(level, now_ms=now_ms, leak_per_s=LEAK_PER_S)[0],
    )
