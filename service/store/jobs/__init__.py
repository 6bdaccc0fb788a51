"""Work that outlives a request: runs, replays, pending jobs, the nightly reconcile, all processes' counters, and turns.

Other rooms create runs, store pending jobs and follow both."""

from service.store.jobs import nightly, pending, replays, runs
from service.store.jobs.nightly import NightlyRun
from service.store.jobs.pending import RENEW_INTERVAL_S, JobKind, PendingJob
from service.store.jobs.runs import EXPLAIN_REMOVALS, RUN_KINDS, Run, RunFilter, RunKind
from service.store.jobs.shared_metrics import (
    SHARED_METRICS,
    Count,
    Counters,
    SharedCounts,
    SharedMetric,
    count_now,
    last_heartbeat_ms,
    load_counts,
)
from service.store.jobs.turns import turns

__all__ = [
    "EXPLAIN_REMOVALS",
    "RENEW_INTERVAL_S",
    "RUN_KINDS",
    "SHARED_METRICS",
    "Count",
    "Counters",
    "JobKind",
    "NightlyRun",
    "PendingJob",
    "Run",
    "RunFilter",
    "RunKind",
    "SharedCounts",
    "SharedMetric",
    "count_now",
    "last_heartbeat_ms",
    "load_counts",
    "nightly",
    "pending",
    "replays",
    "runs",
    "turns",
]
