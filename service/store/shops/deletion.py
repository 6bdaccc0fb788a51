"""Deletion of a shop: either all of its data, or all but the data without customer details that a re-install reuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from service.domain.customers import OrgId
from service.store.client import SCAN_COUNT, RedisClient, keys, load_script, queue_erased
from service.store.jobs import PendingJob, pending

KEPT_KEYS: Final = ("owned", "holds", "exclusions", "live_version", "versions", "inherited", "documents")
RETENTION_S: Final = 30 * keys.DAY_S
SOON_MS: Final = 10_000
RETRY_DELAY_MS: Final = 3_600_000  # by then every process has noticed that the shop was removed


class ErasureArgs(msgspec.Struct, frozen=True):
    """Arguments of the job `erasure`."""

    everything: bool
    is_last: bool = False


async def delete_shop_data(redis: RedisClient, org: OrgId, *, everything: bool) -> None:
    """Delete the data of a removed shop. A shop that was added again meanwhile keeps its data.

    Without `everything`, `KEPT_KEYS` expire after 30 days. Scans all keys of the server, page by page.
    """
    kept = frozenset() if everything else frozenset(keys.shop(org, name).encode() for name in KEPT_KEYS)
    delete_keys = load_script("shops", "delete_keys")
    cursor: int = 0
    while True:
        cursor, page = await redis.scan(
            cursor, match=keys.shop(org, "*"), count=SCAN_COUNT, near=keys.shop(org)
        )
        expiring = [key for key in page if key in kept]
        deleted = [key for key in page if key not in kept]
        if page:
            await delete_keys(redis, org, RETENTION_S, len(expiring), *expiring, *deleted)
        if not cursor:
            return


async def resume_deletion(
    redis: RedisClient, job: PendingJob, *, now_ms: Callable[[], Awaitable[int]]
) -> bool:
    """Execute the job `erasure`: delete the data of a removed shop again. Returns whether this was the last time.

    The first time is soon after the removal, because the process that removed the shop may have died. The last time is
    an hour later, because other processes may have written data before they noticed the removal.
    """
    args = msgspec.convert(job.args, ErasureArgs)
    await delete_shop_data(redis, job.org, everything=args.everything)
    time_ms = await now_ms()
    async with redis.pipeline() as pipe:
        queue_erased(pipe, job.org, time_ms)
        if args.is_last:
            pending.queue_delete(pipe, job)
        else:
            due_ms = time_ms + RETRY_DELAY_MS
            last = erasure_job(job.org, everything=args.everything, due_ms=due_ms, is_last=True)
            pending.queue_save(pipe, last)
        await pipe.execute()
    return args.is_last


async def delist(redis: RedisClient, org: OrgId, *, job: PendingJob | None) -> bool:
    """Remove a shop from the list and store the job that deletes its data, also when the memory is used up.

    Returns whether the shop was in the list.
    """
    args = ("", "", 0) if job is None else (job.field, msgspec.json.encode(job), job.due_ms)
    return bool(await load_script("shops", "delist")(redis, org, *args))


def queue_delisting(pipe: Any, org: OrgId, *, job: PendingJob | None) -> None:
    """Add the commands to a transaction that remove a shop from the list and store the job that deletes its data.

    With a job, the data keys go at once: whatever they sealed is unreadable from now on, also in copies of the data.
    """
    pipe.srem(keys.partition_key(org, "shops"), org)
    pipe.zrem(keys.partition_key(org, "due_shops"), org)
    pipe.delete(keys.shop(org, "shop"))
    pipe.incr(keys.partition_key(org, "shops_revision"))
    if job is not None:
        pipe.delete(keys.shop(org, "data_keys"))
        queue_erased(pipe, org, job.due_ms)  # soon: by then the data is deleted
        pending.queue_save(pipe, job)


def erasure_job(org: OrgId, *, everything: bool, due_ms: int, is_last: bool = False) -> PendingJob:
    """The job that deletes the data of a removed shop. A shop has at most one."""
    args = msgspec.to_builtins(ErasureArgs(everything, is_last))
    return PendingJob(org, "erasure", "E1", args, due_ms)
