"""/metrics: the webhook metrics of this process, the counters of all workers, and gauges read from Redis.

The part of Redis is rendered every few seconds at most, however often it is asked for: for a thousand shops it takes
hundreds of milliseconds, and the same process acknowledges webhooks.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from service.store.client import RedisClient
from service.store.jobs import Count, load_counts
from service.store.queue import STATES, ShopBacklog, load_backlogs
from service.store.shops import ShopRepository

# Counters and summaries of the workers, with their help texts. Any other counter is not exported.
WORKER_COUNTERS: Final = {
    "drains": "Drain runs by outcome.",
    "customers_processed": "Customers processed by drains, by outcome.",
    "tag_writes": "Tags written by action (added, removed).",
    "api_requests": "Requests to Haravan's API by endpoint and status (none = no response).",
    "events": "Events sent to endpoints by outcome (delivered, failed, rejected).",
    "list_mismatches": "Lists that did not match the requested ids, by shop.",
    "reconcile_repairs": "Customers that only a reconcile or an audit found wrong, by probable cause.",
}
WORKER_SUMMARIES: Final = {
    "tag_latency_seconds": "Time from a customer's first mark until its tags were written.",
    "api_request_seconds": "Duration of requests to Haravan's API by endpoint.",
}


CACHE_S: Final = 5.0
SLICE: Final = 50  # shops of one pipeline: about 5 ms during which no webhook is acknowledged


@dataclass(frozen=True, slots=True)
class _Rendered:
    """The part of Redis in the text format."""

    at: float
    by_shop: bytes
    summed: bytes  # without the names of shops


class Metrics:
    """Renders all metrics in Prometheus' text format."""

    def __init__(
        self,
        redis: RedisClient,
        shops: ShopRepository,
        webhooks: CollectorRegistry,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._shops = shops
        self._webhooks = webhooks
        self._clock = clock
        self._cached: _Rendered | None = None
        self._rendering: asyncio.Task[_Rendered] | None = None

    async def render(self, *, by_shop: bool) -> bytes:
        """All metrics; without `by_shop` the sums over all shops. The part of Redis may be `CACHE_S` old.

        Without Redis these are this process's own metrics and `tagger_redis_up 0`. Never raises RedisError.
        """
        stored = await self._stored()
        return generate_latest(self._webhooks) + (stored.by_shop if by_shop else stored.summed)

    async def _stored(self) -> _Rendered:
        if self._cached is not None and self._clock() - self._cached.at < CACHE_S:
            return self._cached
        if self._rendering is None:  # requests that arrive meanwhile wait for the same answer
            self._rendering = asyncio.create_task(self._render_stored(), name="metrics")
            self._rendering.add_done_callback(self._finish)
        return await asyncio.shield(self._rendering)

    def _finish(self, task: asyncio.Task[_Rendered]) -> None:
        self._rendering = None
        if not task.cancelled() and task.exception() is None:
            self._cached = task.result()

    async def _render_stored(self) -> _Rendered:
        up = GaugeMetricFamily("tagger_redis_up", "1 when Redis answered this scrape.")
        try:
            backlogs = await self._load_backlogs()
            counts = await load_counts(self._redis)
            servers_away = len(await self._redis.servers_away())
        except (RedisError, OSError):
            up.add_metric([], 0)
            text = _to_text([up])
            return _Rendered(self._clock(), text, text)
        up.add_metric([], 1)
        away = GaugeMetricFamily(
            "tagger_redis_servers_away", "Servers of the cluster that do not answer.", value=servers_away
        )
        by_shop = [up, away, *worker_families(counts), *shop_families(backlogs)]
        summed = [up, away, *worker_families(_without_shops(counts)), *summed_families(backlogs)]
        # in a thread: the text of a thousand shops takes 50 ms, and the event loop gets its turns meanwhile
        texts = [await asyncio.to_thread(_to_text, families) for families in (by_shop, summed)]
        return _Rendered(self._clock(), *texts)

    async def _load_backlogs(self) -> list[ShopBacklog]:
        orgs = await self._shops.orgs()
        slices = [orgs[start : start + SLICE] for start in range(0, len(orgs), SLICE)]
        return [backlog for each in slices for backlog in await load_backlogs(self._redis, each)]


def _without_shops(counts: list[Count]) -> list[Count]:
    """The counters of all shops together."""
    sums: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
    for count in counts:
        labels = tuple((label, value) for label, value in count.labels if label != "org")
        sums[count.name, labels] += count.value  # type: ignore[assignment]  # seconds are counted too
    return [Count(name, labels, value) for (name, labels), value in sums.items()]


def _to_text(families: list[Metric]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FamilyCollector(families))
    return generate_latest(registry)


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
    gauges = _Gauges(labels=["org"])
    for backlog in backlogs:
        gauges.add([backlog.org], [backlog])
    return gauges.families


def summed_families(backlogs: list[ShopBacklog]) -> list[Metric]:
    """The same gauges for all shops together: sums, and the highest age and usage."""
    gauges = _Gauges(labels=[])
    gauges.add([], backlogs)
    return gauges.families


class _Gauges:
    """The gauges of shops, either with the label `org` or without."""

    def __init__(self, *, labels: list[str]) -> None:
        self._customers = GaugeMetricFamily(
            "tagger_queue_customers",
            "Marked customers by shop and state (live and bulk are ready; planned, delayed).",
            labels=[*labels, "state"],
        )
        self._oldest = GaugeMetricFamily(
            "tagger_queue_oldest_seconds",
            "Age of the shop's oldest mark in the live lane; grows if nothing drains.",
            labels=labels,
        )
        self._dead = GaugeMetricFamily(
            "tagger_dead_letters", "Customers with an open dead letter.", labels=labels
        )
        self._paused = GaugeMetricFamily(
            "tagger_shop_paused", "1 while the shop's work is paused.", labels=labels
        )
        self._rate_limit = GaugeMetricFamily(
            "tagger_rate_limit_used",
            "Estimated usage of the shop's API rate limit: 0 is empty, 80 is full.",
            labels=labels,
        )

    @property
    def families(self) -> list[Metric]:
        return [self._customers, self._oldest, self._dead, self._paused, self._rate_limit]

    def add(self, labels: list[str], backlogs: list[ShopBacklog]) -> None:
        """Add one sample for these shops."""
        for state in STATES:
            total = sum(backlog.customers[state] for backlog in backlogs)
            self._customers.add_metric([*labels, state], total)
        self._oldest.add_metric(labels, max((backlog.oldest_s for backlog in backlogs), default=0.0))
        self._dead.add_metric(labels, sum(backlog.dead_letters for backlog in backlogs))
        self._paused.add_metric(labels, sum(backlog.paused for backlog in backlogs))
        used = max((backlog.rate_limit_used for backlog in backlogs), default=0.0)
        self._rate_limit.add_metric(labels, used)
