"""What a shop's state keeps of an uninstalled app; mark_dirty.lua notes the webhook that says so."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import WatchError

from service.domain.customers import OrgId
from service.domain.sync import UninstallState
from service.store.client import keys

UNINSTALLED: Final = "uninstalled"  # the reason of the pause
FIELDS: Final = (
    "uninstall_reported_ms",
    "uninstall_first_denied_ms",
    "uninstall_confirmed_ms",
    "uninstall_next_probe_ms",
)


async def load_uninstalls(redis: Redis, orgs: Sequence[OrgId]) -> dict[OrgId, UninstallState]:
    """Of which of these shops it was said, and what is known by now."""
    client: Any = redis
    async with client.pipeline(transaction=False) as pipe:
        for org in orgs:
            pipe.hmget(keys.shop(org, "state"), *FIELDS)
        rows = await pipe.execute()
    return {
        org: UninstallState(*(int(each or 0) for each in row))
        for org, row in zip(orgs, rows, strict=True)
        if row[0]
    }


async def postpone_probe(redis: Redis, org: OrgId, until_ms: int) -> None:
    """Ask Haravan next then."""
    client: Any = redis
    await client.hset(keys.shop(org, "state"), "uninstall_next_probe_ms", until_ms)


async def save_uninstall(redis: Redis, org: OrgId, known: UninstallState) -> bool:
    """Keep what is known by now; False where a new token or a person has ended it meanwhile."""
    values = (known.announced_ms, known.first_refused_ms, known.confirmed_ms, known.next_probe_ms)
    client: Any = redis
    state = keys.shop(org, "state")
    async with client.pipeline() as pipe:
        while True:
            await pipe.watch(state)
            if int(await pipe.hget(state, FIELDS[0]) or 0) != known.announced_ms:
                return False
            pipe.multi()
            pipe.hset(state, mapping=dict(zip(FIELDS, values, strict=True)))
            with suppress(WatchError):
                await pipe.execute()
                return True
