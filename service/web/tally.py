"""This process's own numbers: deliveries by topic and outcome, and how long their acknowledgement took."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
TOPICS: Final = frozenset(
    {
        *(f"customers/{what}" for what in ("create", "update", "delete", "enable", "disable")),
        *(f"orders/{what}" for what in ("create", "updated", "paid", "cancelled", "fulfilled", "delete")),
        "refunds/create",
        "app/uninstalled",
    }
)
OTHER: Final = "other"  # the topic is not signed: anybody could fill the metrics with new ones


class Tally(Collector):
    """Counts with plain integers, because a webhook has only some microseconds for it."""

    def __init__(self) -> None:
        self.deliveries: Counter[tuple[str, str]] = Counter()  # (topic, outcome)
        self.refused: Counter[str] = Counter()  # by reason
        self.unanswered: Counter[str] = Counter()  # 503 and the like, by reason
        self.repeats = 0
        self.batches = 0
        self._acks = [0] * (len(BOUNDS_S) + 1)
        self._ack_sum_s = 0.0

    def acknowledged(self, took_s: float) -> None:
        """One webhook was answered 200, this long after its head was read."""
        self._acks[bisect_left(BOUNDS_S, took_s)] += 1
        self._ack_sum_s += took_s

    def collect(self) -> Iterator[Metric]:
        """The families for /metrics."""
        deliveries = CounterMetricFamily(
            "tagger_deliveries",
            "Signed webhooks that were recorded, by topic and outcome (marked, echo, ignored:reason).",
            labels=["topic", "outcome"],
        )
        for (topic, outcome), count in self.deliveries.items():
            deliveries.add_metric([topic, outcome], count)
        yield deliveries
        yield _by(
            "tagger_webhooks_refused",
            "Webhooks answered 401 by reason: no or a wrong signature, or no secret set.",
            self.refused,
        )
        yield _by(
            "tagger_webhooks_unanswered",
            "Webhooks answered neither 200 nor 401 by reason: the store away or too slow, too many, a body too large or too slow.",
            self.unanswered,
        )
        yield CounterMetricFamily(
            "tagger_deliveries_repeated",
            "Recorded webhooks that had been recorded before, within three days.",
            value=self.repeats,
        )
        yield CounterMetricFamily(
            "tagger_ingest_batches", "Round trips to the store that recorded webhooks.", value=self.batches
        )
        yield self._ack_family()

    def _ack_family(self) -> Metric:
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self._acks, strict=True):
            total += count
            buckets.append((bound, total))
        family = HistogramMetricFamily(
            "tagger_ack_seconds",
            "From a webhook's head to its 200, which comes after the write is confirmed.",
        )
        family.add_metric([], buckets, self._ack_sum_s)
        return family


def label(topic: str) -> str:
    """The topic as a metric may carry it."""
    return topic if topic in TOPICS else OTHER


def _by(name: str, text: str, counts: Counter[str]) -> Metric:
    family = CounterMetricFamily(name, text, labels=["reason"])
    for reason, count in counts.items():
        family.add_metric([reason], count)
    return family
