"""Renders all metrics in Prometheus' text format.

The part of Redis is rendered every few seconds at most, however often it is asked for: for a few hundred shops it takes
a hundred milliseconds, and the same process acknowledges webhooks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from service.store.client import RedisClient, load_memory_used
from service.store.jobs import load_counts
from service.store.queue import ShopBacklog, load_backlogs
from service.store.shops import ShopRepository
from service.web.metrics.gauges import build_info, server_families, shop_families, summed_families
from service.web.metrics.shared import shared_families

CACHE_S: Final = 5.0
SLICE: Final = 50  # shops of one pipeline: about 5 ms during which no webhook is acknowledged
MAX_SHOPS: Final = 500  # with more, nobody sees single shops: 14 series for each would fill Prometheus


@dataclass(frozen=True, slots=True)
class _Rendered:
    """The part of Redis in the text format."""

    at: float
    by_shop: bytes
    summed: bytes  # without the names of shops


class Metrics:
    """All metrics of a web process. `webhooks` has those that the process counts by itself."""

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
        self._build_info = _to_text([build_info()])
        self._cached: _Rendered | None = None
        self._rendering: asyncio.Task[_Rendered] | None = None

    async def render(self, *, by_shop: bool) -> bytes:
        """All metrics; without `by_shop` the sums over all shops. The part of Redis may be `CACHE_S` old.

        Beyond `MAX_SHOPS` shops there are only the sums. Without Redis these are this process's own metrics and
        `tagger_redis_up 0`. Never raises RedisError.
        """
        stored = await self._stored()
        own = self._build_info + generate_latest(self._webhooks)
        return own + (stored.by_shop if by_shop else stored.summed)

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
            memory = await load_memory_used(self._redis)
            backlogs = await self._load_backlogs()
            counts = await load_counts(self._redis)
            servers_away = len(await self._redis.servers_away())
        except (RedisError, OSError):
            up.add_metric([], 0)
            text = _to_text([up])
            return _Rendered(self._clock(), text, text)
        up.add_metric([], 1)
        common = [
            up,
            GaugeMetricFamily(
                "tagger_redis_servers_away", "Servers of the cluster that do not answer.", value=servers_away
            ),
            *server_families(memory, shops=len(backlogs), heartbeat_ms=counts.heartbeat_ms),
            *shared_families(counts.counts),
        ]
        # in a thread: the text of some hundred shops takes tens of ms, and the event loop gets its turns meanwhile
        summed = await asyncio.to_thread(_to_text, [*common, *summed_families(backlogs)])
        by_shop = summed
        if len(backlogs) <= MAX_SHOPS:
            by_shop = await asyncio.to_thread(_to_text, [*common, *shop_families(backlogs)])
        return _Rendered(self._clock(), by_shop, summed)

    async def _load_backlogs(self) -> list[ShopBacklog]:
        orgs = await self._shops.orgs()
        slices = [orgs[start : start + SLICE] for start in range(0, len(orgs), SLICE)]
        return [backlog for each in slices for backlog in await load_backlogs(self._redis, each)]


def _to_text(families: list[Metric]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FamilyCollector(families))
    return generate_latest(registry)


class _FamilyCollector(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families
