"""The queue of dirty customers: marks, leases, wake-ups, the rate limiter, dead letters and backlogs.

Other rooms mark customers dirty, and the workers drain a shop under its lease."""

from service.store.queue import dead_letters, dirty
from service.store.queue.dead_letters import DeadLetter, list_open
from service.store.queue.dirty import MAX_EVENTS, NO_QUOTA, DirtyEvent, Lane, Quota, encode_events
from service.store.queue.erasure import erase_customer
from service.store.queue.lease import BATCH_SIZE, LEASE_MS, LeaseLost, LeaseManager, ShopLease, WriteDenied
from service.store.queue.liveness import Liveness
from service.store.queue.rate_limiter import LEAK_PER_S, NOT_SENT, Denied, Granted, Permit, RateLimiter
from service.store.queue.settlement import DeadLetterDraft, Mark, Outcome, Settlement
from service.store.queue.stats import (
    ALL_QUEUES,
    STATES,
    ShopBacklog,
    count_due,
    decode_backlog,
    load_backlogs,
    queue_backlogs,
)
from service.store.queue.wakeup import DRAIN_JOB, wake_shop

__all__ = [
    "ALL_QUEUES",
    "BATCH_SIZE",
    "DRAIN_JOB",
    "LEAK_PER_S",
    "LEASE_MS",
    "MAX_EVENTS",
    "NOT_SENT",
    "NO_QUOTA",
    "STATES",
    "DeadLetter",
    "DeadLetterDraft",
    "Denied",
    "DirtyEvent",
    "Granted",
    "Lane",
    "LeaseLost",
    "LeaseManager",
    "Liveness",
    "Mark",
    "Outcome",
    "Permit",
    "Quota",
    "RateLimiter",
    "Settlement",
    "ShopBacklog",
    "ShopLease",
    "WriteDenied",
    "count_due",
    "dead_letters",
    "decode_backlog",
    "dirty",
    "encode_events",
    "erase_customer",
    "list_open",
    "load_backlogs",
    "queue_backlogs",
    "wake_shop",
]
