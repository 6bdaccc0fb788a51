"""Puts a shop, or the service, back: parts are written to staged keys, which become the real ones in one step.

Staged keys of a restore that was interrupted expire after a day.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec

from service.domain.customers import OrgId
from service.store.backup.parts import SERVICE_KEYS, SHOP_KEYS, Part
from service.store.backup.reading import DATA
from service.store.client import SERVICE, RedisClient, batched, keys, load_script
from service.store.jobs import PendingJob
from service.store.shops import deletion

STAGED_S: Final = keys.DAY_S
BATCH_SIZE: Final = 500  # entries in one transaction


class Staging:
    """The staged keys of one shop, or of the service."""

    def __init__(self, redis: RedisClient, org: OrgId) -> None:
        self._redis = redis
        self._org = org
        self._prefix = f"staged:{secrets.token_hex(8)}:"

    async def write(self, part: Part) -> None:
        """Write a part to its staged key. Parts of lists and streams come in order."""
        key = keys.shop(self._org, self._prefix + part.name)
        for batch in batched(part.entries, BATCH_SIZE):
            async with self._redis.pipeline() as pipe:
                _queue(pipe, key, part.kind, batch)
                pipe.expire(key, STAGED_S)
                await pipe.execute()

    async def apply(self) -> bool:
        """Make the staged keys the real ones. False, with nothing changed, if there is data that this would overwrite.

        A shop is added to the list of shops and is due. All its customers are read again: a requested reconcile reads
        those that Haravan lists, and a pending job marks those that only the backup has.
        """
        names = SERVICE_KEYS if self._org == SERVICE else SHOP_KEYS
        erasure = deletion.erasure_job(self._org, everything=True, due_ms=0)
        job = restored_job(self._org)
        is_shop = self._org != SERVICE
        return bool(
            await load_script("backup", "apply_staged")(
                self._redis,
                self._org,
                self._prefix,
                *(
                    ("shop", job.field, msgspec.json.encode(job), erasure.field)
                    if is_shop
                    else ("", "", "", "")
                ),
                secrets.token_hex(8),
                len(DATA),
                *DATA,
                *names,
            )
        )

    async def discard(self) -> None:
        """Delete the staged keys."""
        names = SERVICE_KEYS if self._org == SERVICE else SHOP_KEYS
        await self._redis.unlink(*(keys.shop(self._org, self._prefix + name) for name in names))


def restored_job(org: OrgId) -> PendingJob:
    """The job that has all customers of a restored shop read again. A shop has at most one."""
    return PendingJob(org, "restored", "B1", {})


def _queue(pipe: Any, key: str, kind: str, entries: Any) -> None:
    match kind:
        case "hash":
            pipe.hset(key, mapping=dict(entries))
        case "list":
            pipe.rpush(key, *(value for (value,) in entries))
        case "string":
            pipe.set(key, entries[-1][0])
        case "stream":
            for entry, *flat in entries:
                pipe.xadd(key, dict(zip(flat[::2], flat[1::2], strict=True)), id=entry)
