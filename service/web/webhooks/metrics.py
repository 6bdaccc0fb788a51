"""Metrics and log lines of the webhooks: updated once for each flush, because a webhook has only some microseconds."""

from __future__ import annotations

import asyncio
from collections import Counter as Counts
from dataclasses import dataclass, field
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from service.domain.customers import OrgId
from service.domain.sync import RejectionReason
from service.ingest import Flush

ACK_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
TOPICS: Final = frozenset(
    {
        *(f"customers/{event}" for event in ("create", "update", "delete", "enable", "disable")),
        *(f"orders/{event}" for event in ("create", "updated", "paid", "cancelled", "fulfilled", "delete")),
        "refunds/create",
        "app/uninstalled",
    }
)
FAILURE_REASONS: Final = ("store_unavailable", "store_full", "over_quota", "overloaded", "body_too_large")
OTHER: Final = "other"  # topics are not signed: anyone could add a label to the metrics
LOG_INTERVAL_S: Final = 1.0


def topic_label(topic: str) -> str:
    """The topic as a metric label."""
    return topic if topic in TOPICS else OTHER


class WebhookMetrics:
    """The counters of this process, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter
        self.registry = registry = CollectorRegistry(auto_describe=False)
        self.deliveries = Counter(
            "tagger_deliveries_total",
            "Signed webhooks that were recorded, by topic and outcome (marked, echo, ignored:reason).",
            ["topic", "outcome"],
            registry=registry,
        )
        self.duplicates = Counter(
            "tagger_deliveries_duplicate_total",
            "Signed webhooks whose body had been recorded before, within three days.",
            registry=registry,
        )
        self.rejected = Counter(
            "tagger_webhooks_rejected_total",
            "Webhooks answered 401 or 415 by reason: no or a wrong signature, no secret set, a packed body.",
            ["reason"],
            registry=registry,
        )
        self.failed = Counter(
            "tagger_webhooks_failed_total",
            "Webhooks answered 503 or 413 by reason: store_unavailable, store_full, over_quota, overloaded, body_too_large.",
            ["reason"],
            registry=registry,
        )
        self.batches = Counter(
            "tagger_ingest_batches_total", "Round trips to Redis that recorded webhooks.", registry=registry
        )
        self.ack_seconds = Histogram(
            "tagger_webhook_ack_seconds",
            "Time until webhooks were on disk and could be answered: the slowest webhook of each round trip.",
            buckets=ACK_BUCKETS_S,
            registry=registry,
        )
        self._export_zeros()

    def _export_zeros(self) -> None:
        """Export what was not counted yet as 0: in Prometheus only a counter that was there before can increase."""
        self.deliveries.labels("customers/update", "marked")
        for rejection in RejectionReason:
            self.rejected.labels(rejection.value)
        for reason in FAILURE_REASONS:
            self.failed.labels(reason)

    def add(self, flush: Flush) -> None:
        """Count the webhooks of a flush."""
        self.batches.inc()
        outcomes: Counts[tuple[str, str]] = Counts()
        for batch in flush.batches:
            outcomes.update(zip(batch.topics, batch.outcomes, strict=False))
            if batch.duplicates:
                self.duplicates.inc(batch.duplicates)
        for labels, count in outcomes.items():
            self.deliveries.labels(*labels).inc(count)
        if outcomes:
            self.ack_seconds.observe(flush.took_s)


@dataclass(slots=True)
class BatchSummary:
    """The sum of the flushes of up to a second."""

    flushes: int = 0
    orgs: set[OrgId] = field(default_factory=set)
    outcomes: Counts[str] = field(default_factory=Counts)
    duplicates: int = 0
    failed: int = 0
    slowest_s: float = 0.0
    cause: str = "refused"  # Redis refused one shop's batch; the flush itself has no error then

    def add(self, flush: Flush) -> None:
        """Add a flush."""
        self.flushes += 1
        self.slowest_s = max(self.slowest_s, flush.write_s)
        for batch in flush.batches:
            self.orgs.add(batch.org)
            self.outcomes.update(batch.outcomes)
            self.duplicates += batch.duplicates
            self.failed += len(batch.events) - len(batch.outcomes)
            if batch.error is not None:
                self.cause = str(batch.error)
        if flush.error is not None:
            self.cause = str(flush.error)

    def log(self) -> None:
        """Log the line."""
        facts = {
            "batches": self.flushes,
            "shops": len(self.orgs),
            "outcomes": dict(self.outcomes),
            "duplicates": self.duplicates,
            "duration_ms": round(self.slowest_s * 1000, 2),
        }
        logger = structlog.get_logger()
        if self.failed:
            logger.warning("webhook_batch", **facts, status=503, failed=self.failed, cause=self.cause)
        else:
            logger.info("webhook_batch", **facts, status=200)


class BatchLogger:
    """Counts each flush, and writes one log line for all flushes of a second.

    The first flush after a pause and each failed round trip are logged at once. A line for each webhook would cost 20 % of
    the throughput, a line for each flush 5 %. Single webhooks are in the delivery record.
    """

    def __init__(self, metrics: WebhookMetrics) -> None:
        self._metrics = metrics
        self._summary = BatchSummary()
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, flush: Flush) -> None:
        """Count a flush that was written or failed."""
        self._metrics.add(flush)
        self._summary.add(flush)
        if self._timer is None or flush.error is not None:
            self.flush()

    def flush(self) -> None:
        """Log the flushes that were not logged yet."""
        summary, self._summary = self._summary, BatchSummary()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if summary.flushes:
            summary.log()
            self._timer = asyncio.get_running_loop().call_later(LOG_INTERVAL_S, self.flush)
