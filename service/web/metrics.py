"""/metrics: this process's webhook metrics, the workers' counters, and gauges read from the store when they are asked for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.domain.customers import OrgId
from service.store import keys
from service.store.bucket import Bucket
from service.store.counters import Count, read
from service.store.shops import Shops

# Counter of the workers -> what it means; a counter that is not listed here is not shown.
WORKER_COUNTERS: Final = {
    "drains": "Turns of shops by outcome.",
    "customers": "Customers brought right, or not, by outcome.",
    "tags": "Tags written by action (added, removed) and, where known, by rule.",
    "tag_seconds": "Seconds from a customer's first mark until its tags were right, summed; divide by tagger_customers_total.",
    "api_calls": "Calls of Haravan's API by endpoint and status (none = no answer).",
    "api_seconds": "Seconds spent in calls of Haravan's API by endpoint, summed.",
    "lists_distrusted": "Times that a list did not answer what was asked, by shop.",
    "scrub_repairs": "Customers that the daily scrub found wrong, by suspected cause.",
}


@dataclass(frozen=True, slots=True)
class ShopState:
    """One shop at the moment of the scrape."""

    org: OrgId
    due: dict[str, int]  # by where the customers wait: live, bulk, planned, later
    oldest_s: float
    dead_letters: int
    paused: bool
    bucket_level: float


class Metrics:
    """Renders everything in Prometheus' text format."""

    def __init__(self, redis: Redis, shops: Shops, webhooks: Collector) -> None:
        self._redis = redis
        self._shops = shops
        self._webhooks = webhooks

    async def render(self) -> bytes:
        """The whole page. Without Redis: this process's own numbers and `tagger_redis_up 0`; raises redis' errors never."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self._webhooks)
        registry.register(_Ready(await self._from_store()))
        return generate_latest(registry)

    async def _from_store(self) -> list[Metric]:
        up = GaugeMetricFamily("tagger_redis_up", "1 when Redis answered this scrape.")
        try:
            states = await shop_states(self._redis, await self._shops.orgs())
            counts = await read(self._redis)
        except (RedisError, OSError):
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        return [up, *worker_families(counts), *shop_families(states)]


class _Ready(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


async def shop_states(redis: Redis, orgs: Iterable[OrgId]) -> list[ShopState]:
    """Every shop's state in two round trips and one for each bucket."""
    client: Any = redis
    known = list(orgs)
    bucket = Bucket(client)
    async with client.pipeline(transaction=False) as pipe:
        for org in known:
            for lane in ("live", "bulk", "plan:live", "plan:bulk", "later"):
                pipe.zcard(keys.shop(org, lane))
            pipe.hlen(keys.shop(org, "dead"))
            pipe.hexists(keys.shop(org, "state"), "paused")
            for lane in ("live", "plan:live"):
                pipe.zrange(keys.shop(org, lane), 0, 0)
        found = await pipe.execute()
        rows = [found[at : at + 9] for at in range(0, len(found), 9)]
        for org, row in zip(known, rows, strict=True):
            for heads in row[7:]:
                pipe.hget(keys.shop(org, f"mark:{heads[0].decode()}" if heads else "mark:"), "first")
        firsts = await pipe.execute()
    now_ms = time.time() * 1000
    states: list[ShopState] = []
    for at, (org, row) in enumerate(zip(known, rows, strict=True)):
        oldest = min((int(each) for each in firsts[2 * at : 2 * at + 2] if each), default=0)
        states.append(
            ShopState(
                org=org,
                due={"live": row[0], "bulk": row[1], "planned": row[2] + row[3], "later": row[4]},
                oldest_s=max(0.0, (now_ms - oldest) / 1000) if oldest else 0.0,
                dead_letters=row[5],
                paused=bool(row[6]),
                bucket_level=(await bucket.level(org)).level,
            )
        )
    return states


def worker_families(counts: list[Count]) -> list[Metric]:
    """The workers' counters as Prometheus wants them: one family a name, the same labels in each sample."""
    families: list[Metric] = []
    for name, text in WORKER_COUNTERS.items():
        mine = [count for count in counts if count.name == name]
        labels = sorted({label for count in mine for label, _ in count.labels})
        family = CounterMetricFamily(f"tagger_{name}", text, labels=labels)
        for count in mine:
            given = dict(count.labels)
            family.add_metric([given.get(label, "") for label in labels], count.value)
        families.append(family)
    return families


def shop_families(states: list[ShopState]) -> list[Metric]:
    """The gauges, one sample for each shop."""
    due = GaugeMetricFamily(
        "tagger_due_customers",
        "Marked customers by shop and where they wait (live, bulk, planned, later).",
        labels=["org", "place"],
    )
    oldest = GaugeMetricFamily(
        "tagger_oldest_due_seconds",
        "Age of the oldest live mark of the shop; grows when nothing drains.",
        labels=["org"],
    )
    dead = GaugeMetricFamily("tagger_dead_letters", "Customers with an open dead letter.", labels=["org"])
    paused = GaugeMetricFamily("tagger_shop_paused", "1 while the shop's work is paused.", labels=["org"])
    bucket = GaugeMetricFamily(
        "tagger_bucket_level",
        "Our estimate of the shop's API bucket: 0 is empty, 80 is full.",
        labels=["org"],
    )
    for state in states:
        for place, count in state.due.items():
            due.add_metric([state.org, place], count)
        oldest.add_metric([state.org], state.oldest_s)
        dead.add_metric([state.org], state.dead_letters)
        paused.add_metric([state.org], int(state.paused))
        bucket.add_metric([state.org], state.bucket_level)
    return [due, oldest, dead, paused, bucket]
