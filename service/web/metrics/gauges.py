"""Gauges: the build, the Redis server, and the state of the shops."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from service.runtime import program_version
from service.store.queue import STATES, ShopBacklog

PAUSE_REASONS: Final = ("token_rejected", "uninstalled", "mass_404")
OTHER_REASON: Final = "other"  # a person's own words


def build_info() -> Metric:
    """Which version runs on which Python."""
    family = GaugeMetricFamily(
        "tagger_build_info",
        "1, with the version of haravan-tagger and of Python.",
        labels=["version", "python"],
    )
    family.add_metric([program_version(), platform.python_version()], 1)
    return family


def server_families(memory: tuple[int, int], *, shops: int, heartbeat_ms: int | None) -> list[Metric]:
    """The Redis server and the workers. `memory` is what counts for maxmemory, and maxmemory, in bytes."""
    used, limit = memory
    heartbeat = GaugeMetricFamily(
        "tagger_worker_heartbeat_timestamp_seconds",
        "When a worker last stored its counters, in Unix time; no sample before the first time.",
    )
    if heartbeat_ms is not None:
        heartbeat.add_metric([], heartbeat_ms / 1000)
    return [
        GaugeMetricFamily(
            "tagger_redis_memory_used_bytes", "Memory of Redis that counts for its limit.", value=used
        ),
        GaugeMetricFamily(
            "tagger_redis_memory_limit_bytes", "maxmemory of Redis; 0 if it has no limit.", value=limit
        ),
        GaugeMetricFamily("tagger_shops", "Shops, paused ones as well.", value=shops),
        heartbeat,
    ]


def shop_families(backlogs: Iterable[ShopBacklog]) -> list[Metric]:
    """Metrics with one sample for each shop."""
    gauges = _ShopGauges(labels=["org"])
    for backlog in backlogs:
        gauges.add([backlog.org], [backlog])
    return gauges.families


def summed_families(backlogs: list[ShopBacklog]) -> list[Metric]:
    """The same metrics for all shops together: sums, and the highest age and usage."""
    gauges = _ShopGauges(labels=[])
    gauges.add([], backlogs)
    return gauges.families


class _ShopGauges:
    """The metrics of shops, either with the label `org` or without."""

    def __init__(self, *, labels: list[str]) -> None:
        self._customers = GaugeMetricFamily(
            "tagger_queue_customers",
            "Marked customers by state (live and bulk are ready; planned, delayed).",
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
            "tagger_shop_paused", "1 while the shop's work is paused, by reason.", labels=[*labels, "reason"]
        )
        self._removals_paused = GaugeMetricFamily(
            "tagger_shop_removals_paused", "1 while no tag of the shop is removed.", labels=labels
        )
        self._rate_limit = GaugeMetricFamily(
            "tagger_rate_limit_used",
            "Estimated usage of the shop's API rate limit: 0 is empty, 80 is full.",
            labels=labels,
        )
        self._tagged = GaugeMetricFamily(
            "tagger_shop_tagged_customers", "Customers that have tags of ours.", labels=labels
        )
        self._deliveries = CounterMetricFamily(
            "tagger_shop_deliveries_total",
            "Webhooks of the shop that were recorded; starts again at midnight UTC.",
            labels=labels,
        )

    @property
    def families(self) -> list[Metric]:
        return [
            self._customers,
            self._oldest,
            self._dead,
            self._paused,
            self._removals_paused,
            self._rate_limit,
            self._tagged,
            self._deliveries,
        ]

    def add(self, labels: list[str], backlogs: list[ShopBacklog]) -> None:
        """Add one sample for these shops."""
        for state in STATES:
            total = sum(backlog.customers[state] for backlog in backlogs)
            self._customers.add_metric([*labels, state], total)
        reasons = [_pause_reason(backlog) for backlog in backlogs]
        for reason in (*PAUSE_REASONS, OTHER_REASON):
            self._paused.add_metric([*labels, reason], reasons.count(reason))
        self._oldest.add_metric(labels, max((backlog.oldest_s for backlog in backlogs), default=0.0))
        self._dead.add_metric(labels, sum(backlog.dead_letters for backlog in backlogs))
        self._removals_paused.add_metric(labels, sum(backlog.removals_paused for backlog in backlogs))
        used = max((backlog.rate_limit_used for backlog in backlogs), default=0.0)
        self._rate_limit.add_metric(labels, used)
        self._tagged.add_metric(labels, sum(backlog.tagged for backlog in backlogs))
        self._deliveries.add_metric(labels, sum(backlog.deliveries_today for backlog in backlogs))


def _pause_reason(backlog: ShopBacklog) -> str:
    """The reason as a metric label. Empty if the shop works."""
    if not backlog.pause_reason:
        return ""
    return backlog.pause_reason if backlog.pause_reason in PAUSE_REASONS else OTHER_REASON
