"""Erasing a shop: everything at once, or all but what has no personal data and a re-install goes on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import WatchError

from service.domain.customers import OrgId
from service.store.client import SCAN_COUNT, keys, load_script
from service.store.jobs import PendingJob, pending
from service.store.shops import uninstall

if TYPE_CHECKING:
    from service.context import Context
    from service.cpu_pool import CpuRunner
    from service.store.shops.repository import ShopRepository

KEPT_KEYS: Final = ("owned", "holds", "exclusions", "live_version", "versions", "inherited", "documents")
RETENTION_S: Final = 30 * keys.DAY_S
SOON_MS: Final = 10_000
RETRY_DELAY_MS: Final = 3_600_000  # by then every process has noticed that the shop is gone


class ErasureArgs(msgspec.Struct, frozen=True):
    """Arguments of the job `erasure`."""

    everything: bool
    is_last: bool = False


async def delete_shop_data(redis: Redis, org: OrgId, *, everything: bool) -> None:
    """Erase what is stored of a shop that is listed no more; nothing of one that was added again meanwhile.

    Else `KEPT` stays for 30 days. The whole store is looked through, a step at a time.
    """
    client: Any = redis
    kept = frozenset() if everything else frozenset(keys.shop(org, name).encode() for name in KEPT_KEYS)
    run = load_script("shops", "delete_keys")
    cursor: int = 0
    while True:
        cursor, found = await client.scan(cursor, match=keys.shop(org, "*"), count=SCAN_COUNT)
        stay = [each for each in found if each in kept]
        go = [each for each in found if each not in kept]
        if found:
            await run(redis, org, RETENTION_S, len(stay), *stay, *go)
        if not cursor:
            return


async def execute(context: Context, _: CpuRunner, job: PendingJob) -> bool:
    """Erase a removed shop once more: soon, since whoever removed it may have died of it, and an hour later, for what
    processes wrote that had not noticed yet."""
    args = msgspec.convert(job.args, ErasureArgs)
    await delete_shop_data(context.redis, job.org, everything=args.everything)
    async with context.redis.pipeline() as pipe:
        if args.is_last:
            pending.queue_delete(pipe, job)
        else:
            due_ms = await context.now_ms() + RETRY_DELAY_MS
            pending.queue_save(
                pipe, erasure_job(job.org, everything=args.everything, due_ms=due_ms, is_last=True)
            )
        await pipe.execute()
    return args.is_last


async def erase_uninstalled(
    redis: Redis, shops: ShopRepository, org: OrgId, *, token: str, now_ms: int
) -> bool:
    """Forget a shop whose app was uninstalled: what is personal and its keys.

    False where it has another token by now, or where somebody has it work again.
    """
    client: Any = redis
    async with client.pipeline() as pipe:
        try:
            await pipe.watch(keys.shop(org, "shop"), keys.shop(org, "state"))
            shop, known = await shops.get(org), await uninstall.load_uninstalls(redis, [org])
            if shop is None or shop.token != token or org not in known:
                return False
            pipe.multi()
            queue_delisting(pipe, org, job=erasure_job(org, everything=False, due_ms=now_ms + SOON_MS))
            await pipe.execute()
        except WatchError:
            return False
    await delete_shop_data(redis, org, everything=False)
    return True


def queue_delisting(pipe: Any, org: OrgId, *, job: PendingJob | None) -> None:
    """Queue what makes a shop listed no more, and the job that brings its erasure to an end."""
    pipe.srem(keys.partition_key(org, "shops"), org)
    pipe.zrem(keys.partition_key(org, "due_shops"), org)
    pipe.delete(keys.shop(org, "shop"))
    pipe.incr(keys.partition_key(org, "shops_revision"))
    if job is not None:
        pending.queue_save(pipe, job)


def erasure_job(org: OrgId, *, everything: bool, due_ms: int, is_last: bool = False) -> PendingJob:
    """The job that erases a removed shop; there is one of each shop."""
    args = msgspec.to_builtins(ErasureArgs(everything, is_last))
    return PendingJob(org, "erasure", "E1", args, due_ms)
