"""Erasing a shop: everything at once, or all but what has no personal data and a re-install goes on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import Redis
from redis.exceptions import WatchError

from service.domain.customers import OrgId
from service.store import keys, uninstalling
from service.store.script import load_script
from service.store.stepping import STEP

if TYPE_CHECKING:
    from service.store.shops import Shops

KEPT: Final = ("owned", "holds", "exclusions", "live_version", "versions", "inherited", "documents")
KEPT_S: Final = 30 * keys.DAY_S
AGAIN_MS: Final = 3_600_000  # by then every process has noticed that the shop is gone


async def erase(redis: Redis, org: OrgId, *, everything: bool) -> None:
    """Erase what is stored of a shop that is listed no more; nothing of one that was added again meanwhile.

    Else `KEPT` stays for 30 days. The whole store is looked through, a step at a time.
    """
    client: Any = redis
    kept = frozenset() if everything else frozenset(keys.shop(org, name).encode() for name in KEPT)
    run = load_script("shops", "delete_keys")
    cursor: int = 0
    while True:
        cursor, found = await client.scan(cursor, match=keys.shop(org, "*"), count=STEP)
        stay = [each for each in found if each in kept]
        go = [each for each in found if each not in kept]
        if found:
            await run(redis, org, KEPT_S, len(stay), *stay, *go)
        if not cursor:
            return


async def erase_again(redis: Redis, *, now_ms: int) -> list[OrgId]:
    """Shops that were erased an hour ago, once more: somebody may have died of it, and some webhook may still have come."""
    client: Any = redis
    done: list[OrgId] = []
    async with client.pipeline(transaction=False) as pipe:
        for key in keys.of_partitions("deletions"):
            pipe.hgetall(key)
        begun = {name: note for part in await pipe.execute() for name, note in part.items()}
    for name, noted in begun.items():
        org, (at_ms, what) = OrgId(name.decode()), noted.decode().split(":")
        if now_ms - int(at_ms) >= AGAIN_MS:
            await erase(redis, org, everything=what == "everything")
            await client.hdel(keys.partition_key(org, "deletions"), org)
            done.append(org)
    return done


async def erase_uninstalled(redis: Redis, shops: Shops, org: OrgId, *, token: str, now_ms: int) -> bool:
    """Forget a shop whose app was uninstalled: what is personal and its keys.

    False where it has another token by now, or where somebody has it work again.
    """
    client: Any = redis
    async with client.pipeline() as pipe:
        try:
            await pipe.watch(keys.shop(org, "shop"), keys.shop(org, "state"))
            shop, known = await shops.get(org), await uninstalling.told(redis, [org])
            if shop is None or shop.token != token or org not in known:
                return False
            pipe.multi()
            forget(pipe, org, noted=said(now_ms, everything=False))
            await pipe.execute()
        except WatchError:
            return False
    await erase(redis, org, everything=False)
    return True


def forget(pipe: Any, org: OrgId, *, noted: str) -> None:
    """Queue what makes a shop listed no more; `noted` of its erasure, so that somebody goes on with that."""
    pipe.srem(keys.partition_key(org, "shops"), org)
    pipe.zrem(keys.partition_key(org, "due_shops"), org)
    pipe.delete(keys.shop(org, "shop"))
    pipe.incr(keys.partition_key(org, "shops_revision"))
    if noted:
        pipe.hset(keys.partition_key(org, "deletions"), org, noted)


def said(now_ms: int, *, everything: bool) -> str:
    """What is noted of an erasure that has begun."""
    return f"{now_ms}:{'everything' if everything else 'personal'}"
