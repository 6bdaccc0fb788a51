"""/metrics: the webhook metrics of this process, the counters of all workers, and gauges read from Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.store.jobs import Count, load_counts
from service.store.queue import ShopBacklog, load_backlogs
from service.store.shops import ShopRepository

# Counters and summaries of the workers, with their help texts. Any other counter is not exported.
WORKER_COUNTERS: Final = {
    "drains": "Drain runs by outcome.",
    "customers_processed": "Customers processed by drains, by outcome.",
    "tag_writes": "Tags written by action (added, removed).",
    "api_requests": "Requests to Haravan's API by endpoint and status (none = no response).",
    "list_mismatches": "Lists that did not match the requested ids, by shop.",
    "reconcile_repairs": "Customers that only a reconcile or an audit found wrong, by probable cause.",
}
WORKER_SUMMARIES: Final = {
    "tag_latency_seconds": "Time from a customer's first mark until its tags were written.",
    "api_request_seconds": "Duration of requests to Haravan's API by endpoint.",
}


class Metrics:
    """Renders all metrics in Prometheus' text format."""

    def __init__(self, redis: Redis, shops: ShopRepository, webhooks: Collector) -> None:
        self._redis = redis
        self._shops = shops
        self._webhooks = webhooks

    async def render(self) -> bytes:
        """All metrics. Without Redis these are this process's own metrics and `tagger_redis_up 0`. Never raises RedisError."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self._webhooks)
        registry.register(_FamilyCollector(await self._from_store()))
        return generate_latest(registry)

    async def _from_store(self) -> list[Metric]:
        up = GaugeMetricFamily("tagger_redis_up", "1 when Redis answered this scrape.")
        try:
            backlogs = await load_backlogs(self._redis, await self._shops.orgs())
            counts = await load_counts(self._redis)
        except (RedisError, OSError):
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        return [up, *worker_families(counts), *shop_families(backlogs)]


class _FamilyCollector(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def worker_families(counts: list[Count]) -> list[Metric]:
    """The metrics of all workers: one family for each name, with the same labels in each sample."""
    return [
        *(_counter_family(name, text, counts) for name, text in WORKER_COUNTERS.items()),
        *(_summary_family(name, text, counts) for name, text in WORKER_SUMMARIES.items()),
    ]


def _counter_family(name: str, text: str, counts: list[Count]) -> Metric:
    labels, values = _samples(name, counts)
    family = CounterMetricFamily(f"tagger_{name}", text, labels=labels)
    for sample, value in values.items():
        family.add_metric(sample, value)
    return family


def _summary_family(name: str, text: str, counts: list[Count]) -> Metric:
    labels, sums = _samples(f"{name}_sum", counts)
    _, numbers = _samples(f"{name}_count", counts)
    family = SummaryMetricFamily(f"tagger_{name}", text, labels=labels)
    for sample, value in sums.items():
        family.add_metric(sample, int(numbers.get(sample, 0)), value)
    return family


def _samples(name: str, counts: list[Count]) -> tuple[list[str], dict[tuple[str, ...], float]]:
    """The labels of a counter, and its values by their label values."""
    matching = [count for count in counts if count.name == name]
    labels = sorted({label for count in matching for label, _ in count.labels})
    return labels, {
        tuple(dict(count.labels).get(label, "") for label in labels): count.value for count in matching
    }


def shop_families(backlogs: list[ShopBacklog]) -> list[Metric]:
    """Gauges with one sample for each shop."""
    customers = GaugeMetricFamily(
        "tagger_queue_customers",
        "Marked customers by shop and state (live and bulk are ready; planned, delayed).",
        labels=["org", "state"],
    )
    oldest = GaugeMetricFamily(
        "tagger_queue_oldest_seconds",
        "Age of the shop's oldest mark in the live lane; grows if nothing drains.",
        labels=["org"],
    )
    dead = GaugeMetricFamily("tagger_dead_letters", "Customers with an open dead letter.", labels=["org"])
    paused = GaugeMetricFamily("tagger_shop_paused", "1 while the shop's work is paused.", labels=["org"])
    rate_limit = GaugeMetricFamily(
        "tagger_rate_limit_used",
        "Estimated usage of the shop's API rate limit: 0 is empty, 80 is full.",
        labels=["org"],
    )
    for backlog in backlogs:
        for state, count in backlog.customers.items():
            customers.add_metric([backlog.org, state], count)
        oldest.add_metric([backlog.org], backlog.oldest_s)
        dead.add_metric([backlog.org], backlog.dead_letters)
        paused.add_metric([backlog.org], int(backlog.paused))
        rate_limit.add_metric([backlog.org], backlog.rate_limit_used)
    return [customers, oldest, dead, paused, rate_limit]
