"""Wake-ups: one arq job for a shop, enqueued by its name, so that web and workers need not import each other."""

from __future__ import annotations

from typing import Final

from redis.exceptions import RedisError

from service.domain.customers import OrgId
from service.store.client import DRAIN_QUEUE, RedisClient, keys

DRAIN_JOB: Final = "drain"


async def wake_shop(redis: RedisClient, org: OrgId, *, number: int, delay_s: float = 0) -> bool:
    """Enqueue one drain of the shop. `number` makes the job's id unique.

    Returns False if the job was not enqueued; the sweep wakes the shop later. Raises nothing, because the marks are
    stored already.
    """
    try:
        job = await redis.queue.enqueue_job(
            DRAIN_JOB,
            org,
            _job_id=f"drain:{org}:{number}",
            _queue_name=DRAIN_QUEUE,
            _defer_by=delay_s or None,
        )
        if job is None:  # arq knows the id; the flag would keep other wake-ups away for some seconds
            await redis.delete(keys.shop(org, "wakeup_pending"))
    except (RedisError, OSError):
        return False
    return job is not None
