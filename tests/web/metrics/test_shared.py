"""The counters that all processes share, and how they become families of Prometheus."""

from __future__ import annotations

import pytest
from arq.connections import ArqRedis
from prometheus_client.core import Metric

from service.store.jobs import SHARED_METRICS, Count, Counters, count_now, load_counts
from service.web.metrics.shared import shared_families


def family(counts: list[Count], name: str) -> Metric:
    return next(each for each in shared_families(counts) if each.name == name)


def buckets(metric: Metric) -> dict[str, float]:
    return {sample.labels["le"]: sample.value for sample in metric.samples if sample.name.endswith("_bucket")}


async def test_observations_of_two_processes_are_one_histogram(redis: ArqRedis) -> None:
    for seconds in (0.3, 40.0):
        counters = Counters(redis)
        counters.observe("tag_latency_seconds", seconds)
        await counters.flush()

    latency = family((await load_counts(redis)).counts, "tagger_tag_latency_seconds")

    counted = buckets(latency)
    assert (counted["0.25"], counted["0.5"], counted["30.0"], counted["60.0"], counted["+Inf"]) == (
        0,
        1,
        1,
        2,
        2,
    )
    assert [sample.value for sample in latency.samples if sample.name.endswith("_sum")] == [40.3]


def test_a_bound_of_an_earlier_release_counts_in_the_next_one() -> None:
    stored = [Count("tag_latency_seconds_bucket", (("le", "7"),), 3.0)]

    counted = buckets(family(stored, "tagger_tag_latency_seconds"))

    assert (counted["5.0"], counted["10.0"]) == (0, 3)


async def test_what_happens_seldom_is_counted_at_once(redis: ArqRedis) -> None:
    await count_now(redis, "alerts", kind="mass_404")
    await count_now(redis, "alerts", kind="mass_404")

    alerts = family((await load_counts(redis)).counts, "tagger_alerts")

    assert {sample.labels["kind"]: sample.value for sample in alerts.samples}["mass_404"] == 2


async def test_the_heartbeat_is_the_latest_of_all_workers(redis: ArqRedis) -> None:
    for moment in (1_700_000_005.0, 1_700_000_000.0):
        await Counters(redis, clock=lambda moment=moment: moment).flush()

    assert (await load_counts(redis)).heartbeat_ms in (1_700_000_000_000, 1_700_000_005_000)


async def test_a_counter_has_the_labels_that_it_declares(redis: ArqRedis) -> None:
    with pytest.raises(ValueError, match="outcome"):
        Counters(redis).add("drains", org="1000000001")
    with pytest.raises(KeyError):
        Counters(redis).add("unheard_of")


def test_known_values_fit_the_labels() -> None:
    for name, metric in SHARED_METRICS.items():
        assert all(len(values) == len(metric.labels) for values in metric.known), name
