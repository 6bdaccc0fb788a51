"""Waking a shop: one arq job, by name. Web and workers meet here, and neither imports the other."""

from __future__ import annotations

from typing import Final

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from service.domain.customers import OrgId
from service.store.client import DRAIN_QUEUE, keys

DRAIN_JOB: Final = "drain"


async def wake_shop(redis: ArqRedis, org: OrgId, *, number: int, delay_s: float = 0) -> bool:
    """Wake a shop: enqueue one drain under an id that is never used again.

    False when arq did not take it; then the flag is taken back and the sweep rings again. The marks are safe
    either way, so this raises nothing.
    """
    try:
        job = await redis.enqueue_job(
            DRAIN_JOB,
            org,
            _job_id=f"drain:{org}:{number}",
            _queue_name=DRAIN_QUEUE,
            _defer_by=delay_s or None,
        )
        if job is None:
            await redis.delete(keys.shop(org, "wakeup_pending"))
    except (RedisError, OSError):
        return False
    return job is not None
