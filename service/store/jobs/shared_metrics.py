"""Counters that all processes share: summed in memory, stored in Redis, and read by the web process for /metrics."""

from __future__ import annotations

import secrets
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.store.client import RedisClient, keys, load_partitions

HEARTBEAT: Final = "heartbeat"  # the field that says when a worker last stored its counts


@dataclass(frozen=True, slots=True)
class SharedMetric:
    """A counter, or a histogram if it has `buckets`. A label has few values, because each combination takes a field."""

    help: str
    labels: tuple[str, ...] = ()
    known: tuple[
        tuple[str, ...], ...
    ] = ()  # exported as 0 before they are counted: the first event is an increase
    buckets: tuple[float, ...] = ()  # upper bounds; the last one, infinity, is implied


def _values(*values: str) -> tuple[tuple[str, ...], ...]:
    """The known values of a single label."""
    return tuple((value,) for value in values)


# The name in /metrics has the prefix `tagger_`, and counters the suffix `_total`.
SHARED_METRICS: Final = {
    "drains": SharedMetric(
        "Drain runs by outcome.",
        ("outcome",),
        _values(
            "done",
            "waiting",
            "time_budget_spent",
            "lease_held",
            "lease_lost",
            "rate_limited",
            "token_rejected",
            "failed",
            "error",
        ),
    ),
    "customers_processed": SharedMetric(
        "Customers processed by drains, by outcome.",
        ("outcome",),
        _values("updated", "unchanged", "retry_scheduled", "requeued", "dead_lettered", "deleted"),
    ),
    "tag_writes": SharedMetric(
        "Tags written by action (added, removed).", ("action",), _values("added", "removed")
    ),
    "api_requests": SharedMetric(
        "Requests to Haravan's API by endpoint and status (none = no response).", ("endpoint", "status")
    ),
    "events": SharedMetric(
        "Events sent to endpoints by outcome (delivered, failed, rejected).",
        ("outcome",),
        _values("delivered", "failed", "rejected"),
    ),
    "list_mismatches": SharedMetric("Lists that did not match the requested ids."),
    "reconcile_repairs": SharedMetric(
        "Customers that only a reconcile or an audit found wrong, by probable cause.",
        ("cause",),
        _values("missed_webhook", "missed_write", "unknown_customer", "missing_from_list"),
    ),
    "alerts": SharedMetric(
        "Alerts raised, by kind; the same alert of a shop counts once an hour.",
        ("kind",),
        _values(
            "app_uninstalled",
            "approval_requested",
            "drain_failed",
            "endpoint_disabled",
            "first_look_waiting",
            "freeze_waiting",
            "large_publish",
            "mass_404",
            "ops_token_failures",
            "publish_overrun",
            "removal_guard_tripped",
            "scheduled_publish_late",
            "scheduled_publish_stopped",
            "shop_erased",
            "shop_over_quota",
            "sign_in_failures",
            "store_emptied",
            "store_full",
            "store_rewound",
            "store_unavailable",
            "store_unfit",
            "subscription_lost",
            "token_rejected",
            "webhook_compressed",
            "webhook_secret_missing",
            "webhook_signature_failures",
            "writes_rejected",
        ),
    ),
    "tag_latency_seconds": SharedMetric(
        "Time from a customer's first mark until its tags were written.",
        buckets=(0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400),
    ),
    "api_request_seconds": SharedMetric(
        "Duration of requests to Haravan's API by endpoint.",
        ("endpoint",),
        buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 4, 8),
    ),
}


@dataclass(frozen=True, slots=True)
class Count:
    """One counter as stored."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


@dataclass(frozen=True, slots=True)
class SharedCounts:
    """Every counter, summed over all processes and all time."""

    counts: list[Count]
    heartbeat_ms: int | None  # when a worker last stored its counts; None before the first time


class Counters:
    """Counters that are summed in memory until `flush` stores them.

    Each process stores its counts in a random partition, which spreads them over the servers of a cluster.
    """

    def __init__(self, redis: RedisClient, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock
        self._key = keys.of_partition(secrets.choice(keys.PARTITIONS), "counters")
        self._unsaved: Counter[str] = Counter()

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter of `SHARED_METRICS`, in memory."""
        self._add(_field(name, labels), value)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add an observation to a histogram of `SHARED_METRICS`, in memory."""
        buckets = SHARED_METRICS[name].buckets
        position = bisect_left(buckets, value)
        bound = f"{buckets[position]:g}" if position < len(buckets) else "+Inf"
        self._add(f"{_field(name, labels, part='_bucket')}|le={bound}", 1)
        self._add(_field(name, labels, part="_sum"), value)

    def _add(self, field: str, value: float) -> None:
        self._unsaved[field] += value  # type: ignore[assignment]  # seconds are counted too

    async def flush(self) -> None:
        """Store the counts and a heartbeat. Raises redis' errors; the counts are kept for the next flush then.

        The next flush uses another partition, whose server may answer.
        """
        counts, self._unsaved = self._unsaved, Counter()
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                for name, value in counts.items():
                    pipe.hincrbyfloat(self._key, name, value)
                pipe.hset(self._key, HEARTBEAT, int(self._clock() * 1000))
                await pipe.execute()
        except BaseException:
            self._unsaved.update(counts)
            self._key = keys.of_partition(secrets.choice(keys.PARTITIONS), "counters")
            raise


async def count_now(redis: RedisClient, name: str, **labels: str) -> None:
    """Add 1 to a counter of `SHARED_METRICS` in Redis, for what happens too seldom to be summed first."""
    await redis.hincrbyfloat(
        keys.of_partition(secrets.choice(keys.PARTITIONS), "counters"), _field(name, labels), 1
    )


async def load_counts(redis: RedisClient) -> SharedCounts:
    """The sums of all processes."""
    partitions: dict[int, dict[bytes, bytes]] = await load_partitions(
        redis, lambda pipe, number: pipe.hgetall(keys.of_partition(number, "counters"))
    )
    sums: Counter[bytes] = Counter()
    heartbeats: list[int] = []
    for partition in partitions.values():
        heartbeats += [int(beat) for beat in (partition.pop(HEARTBEAT.encode(), None),) if beat]
        for name, value in partition.items():
            sums[name] += float(value)  # type: ignore[assignment]  # seconds are counted too
    counts = [_decode(name.decode(), value) for name, value in sums.items()]
    return SharedCounts(counts, max(heartbeats, default=None))


async def last_heartbeat_ms(redis: RedisClient) -> int | None:
    """When a worker last stored its counts. None before the first time."""
    heartbeats = await load_partitions(
        redis, lambda pipe, number: pipe.hget(keys.of_partition(number, "counters"), HEARTBEAT)
    )
    return max((int(value) for value in heartbeats.values() if value), default=None)


def _field(name: str, labels: dict[str, str], *, part: str = "") -> str:
    """The hash field of a counter: `name|label=value|…`, with the labels that the metric declares and no others.

    A histogram has a field for each bucket, whose last label is `le`, and one for the sum; `part` tells them apart.
    """
    declared = SHARED_METRICS[name].labels
    if labels.keys() != set(declared):
        raise ValueError(f"{name} has the labels {declared}")
    return "|".join((name + part, *(f"{label}={labels[label].replace('|', ' ')}" for label in declared)))


def _decode(stored_field: str, value: float) -> Count:
    name, *parts = stored_field.split("|")
    labels = tuple((label, text) for label, _, text in (part.partition("=") for part in parts))
    return Count(name, labels, value)
