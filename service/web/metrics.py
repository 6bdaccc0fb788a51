"""/metrics: this process's webhook metrics, the workers' counters, and gauges read from the store when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.store.counters import Count, read
from service.store.queue import ShopBacklog, load_backlogs
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
            states = await load_backlogs(self._redis, await self._shops.orgs())
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


def shop_families(states: list[ShopBacklog]) -> list[Metric]:
    """The gauges, one sample for each shop."""
    due = GaugeMetricFamily(
        "tagger_due_customers",
        "Marked customers by shop and where they wait (live, bulk, planned, delayed).",
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
        for place, count in state.customers.items():
            due.add_metric([state.org, place], count)
        oldest.add_metric([state.org], state.oldest_s)
        dead.add_metric([state.org], state.dead_letters)
        paused.add_metric([state.org], int(state.paused))
        bucket.add_metric([state.org], state.rate_limit_used)
    return [due, oldest, dead, paused, bucket]
