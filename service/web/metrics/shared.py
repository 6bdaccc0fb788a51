"""The counters and histograms that all processes share, as families of Prometheus.

Every web process exports the same values. Queries take the maximum over the processes, never their sum.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from math import inf

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from service.store.jobs import SHARED_METRICS, Count, SharedMetric


def shared_families(counts: Iterable[Count]) -> list[Metric]:
    """One family for each metric of `SHARED_METRICS`. A stored counter with another name is not exported."""
    by_name: defaultdict[str, list[Count]] = defaultdict(list)
    for count in counts:
        by_name[count.name].append(count)
    return [
        _histogram(name, metric, by_name[f"{name}_bucket"], by_name[f"{name}_sum"])
        if metric.buckets
        else _counter(name, metric, by_name[name])
        for name, metric in SHARED_METRICS.items()
    ]


def _counter(name: str, metric: SharedMetric, counts: Iterable[Count]) -> Metric:
    values = dict.fromkeys(metric.known if metric.labels else [()], 0.0)
    for count in counts:
        labels = _values(count, metric)
        values[labels] = values.get(labels, 0.0) + count.value
    family = CounterMetricFamily(f"tagger_{name}", metric.help, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _histogram(name: str, metric: SharedMetric, buckets: Iterable[Count], sums: Iterable[Count]) -> Metric:
    bounds = (*metric.buckets, inf)
    observed: dict[tuple[str, ...], list[float]] = {} if metric.labels else {(): [0.0] * len(bounds)}
    for count in buckets:
        numbers = observed.setdefault(_values(count, metric), [0.0] * len(bounds))
        # a bound that an earlier release had counts in the next one that there is now
        numbers[bisect_left(bounds, float(dict(count.labels)["le"]))] += count.value
    totals = {_values(count, metric): count.value for count in sums}
    family = HistogramMetricFamily(f"tagger_{name}", metric.help, labels=metric.labels)
    for labels, numbers in observed.items():
        family.add_metric(labels, _cumulative(bounds, numbers), totals.get(labels, 0.0))
    return family


def _cumulative(bounds: Iterable[float], numbers: Iterable[float]) -> list[tuple[str, float]]:
    """The buckets as Prometheus has them: each counts all observations up to its bound."""
    total, buckets = 0.0, []
    for bound, number in zip(bounds, numbers, strict=True):
        total += number
        buckets.append(("+Inf" if bound == inf else str(float(bound)), total))
    return buckets


def _values(count: Count, metric: SharedMetric) -> tuple[str, ...]:
    labels = dict(count.labels)
    return tuple(labels.get(label, "") for label in metric.labels)
