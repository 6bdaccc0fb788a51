"""The queue of marked customers: waking a shop, and how much waits.

Web process and workers meet here: the one marks and wakes, the others drain.
"""

from __future__ import annotations

from service.store.client.connection import DRAIN_QUEUE, EXPIRES_EXTRA_MS, deserialize, serialize
from service.store.queue.stats import ALL_QUEUES, ShopBacklog, count_due, load_backlogs
from service.store.queue.wakeup import DRAIN_JOB, wake_shop

__all__ = [
    "ALL_QUEUES",
    "DRAIN_JOB",
    "DRAIN_QUEUE",
    "EXPIRES_EXTRA_MS",
    "ShopBacklog",
    "count_due",
    "deserialize",
    "load_backlogs",
    "serialize",
    "wake_shop",
]
