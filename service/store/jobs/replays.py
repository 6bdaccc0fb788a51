"""Replays: runs whose customers are counted and frozen first, and then marked step by step, at a pace.

The customers wait in a list of the run. A pending job moves them from there to the marks. It takes them out of the list
only after it has marked them, so a worker that dies between both costs a second evaluation and loses nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from service.domain.customers import CustomerId, OrgId
from service.errors import NotFound
from service.sentence import Sentence
from service.store.client import RedisClient, batched, keys
from service.store.jobs import pending, runs
from service.store.jobs.pending import PendingJob
from service.store.jobs.runs import Run

COUNT_TTL_S: Final = 3_600  # a count that nobody starts is forgotten then
MAX_AHEAD: Final = 500  # customers of a replay that are marked and not done: a pause takes effect after these


async def save_count(
    redis: RedisClient,
    org: OrgId,
    customers: Sequence[CustomerId],
    *,
    by: str,
    selection: str,
    deliveries: int,
    now_ms: int,
    on_saved: Callable[[int], None] = lambda _: None,
) -> Run:
    """Freeze these customers as a run that somebody may start within an hour. `on_saved` gets the number saved so far.

    `selection` is the selection as JSON, and `deliveries` how many deliveries matched.
    """
    run_id = await runs.next_id(redis, org, "replay")
    key, waiting = keys.shop(org, f"run:{run_id}"), keys.shop(org, f"run:{run_id}:waiting")
    saved = 0
    for batch in batched(customers):
        async with redis.pipeline(transaction=False) as pipe:
            pipe.rpush(waiting, *[str(customer) for customer in batch])
            pipe.expire(waiting, COUNT_TTL_S)
            await pipe.execute()
        saved += len(batch)
        on_saved(saved)
    fields: dict[str, str | int] = {
        "kind": "replay",
        "by": by,
        "reason": "",
        "started_ms": now_ms,
        "total": len(customers),
        "selection": selection,
        "deliveries": deliveries,
        "counted": 1,
    }
    async with redis.pipeline() as pipe:
        pipe.hset(key, mapping=fields)
        pipe.expire(key, COUNT_TTL_S)
        await pipe.execute()
    return await runs.get(redis, org, run_id)


async def start(
    redis: RedisClient, org: OrgId, run_id: str, *, by: str, reason: str, per_minute: int, now_ms: int
) -> Run:
    """Start what was counted: in one transaction it becomes a run with a pending job. Raises NotFound if it is forgotten."""
    key, retention_s = keys.shop(org, f"run:{run_id}"), keys.RUN_DAYS * keys.DAY_S
    if not await redis.expire(key, retention_s):  # from here on it cannot be forgotten in the middle
        raise NotFound(
            Sentence(
                "there is no counted replay {run_id}: a count is kept for an hour, count again", run_id=run_id
            )
        )
    fields: dict[str, str | int] = {
        "by": by,
        "reason": reason,
        "started_ms": now_ms,
        "per_minute": per_minute,
        "pending": 1,
    }
    async with redis.pipeline() as pipe:
        pipe.hset(key, mapping=fields)
        pipe.hdel(key, "counted")
        pipe.expire(f"{key}:waiting", retention_s)
        pipe.zadd(keys.shop(org, "runs"), {run_id: now_ms})
        pending.queue_save(pipe, PendingJob(org, "replay", run_id, {"credited_ms": now_ms}))
        await pipe.execute()
    return await runs.get(redis, org, run_id)


async def set_paused(redis: RedisClient, org: OrgId, run_id: str, *, by: str) -> None:
    """Pause a replay; "" resumes it. What is marked is still evaluated."""
    await redis.hset(keys.shop(org, f"run:{run_id}"), "paused_by", by)


async def mark_next(redis: RedisClient, org: OrgId, run_id: str, count: int) -> int:
    """Mark the next customers of a replay, at most as many as may be ahead. Returns how many."""
    key = keys.shop(org, f"run:{run_id}")
    count = min(count, MAX_AHEAD - await redis.scard(f"{key}:remaining"))
    if count <= 0:
        return 0
    customers = [CustomerId(int(each)) for each in await redis.lrange(f"{key}:waiting", 0, count - 1)]
    await runs.mark(redis, org, run_id, customers, kind="replay", is_counted=True)
    await redis.ltrim(f"{key}:waiting", len(customers), -1)
    return len(customers)


async def complete(redis: RedisClient, job: PendingJob) -> None:
    """All customers are marked, or the replay was cancelled: delete the job."""
    async with redis.pipeline() as pipe:
        pending.queue_delete(pipe, job)
        runs.queue_prepared(pipe, job.org, job.id)
        await pipe.execute()
