"""What a shop's state keeps of an uninstalled app; mark.lua notes the webhook that says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis

from service.domain.customers import OrgId
from service.domain.uninstalling import Uninstall
from service.store import keys
from service.store.script import script

UNINSTALLED: Final = "uninstalled"  # the reason of the pause
FIELDS: Final = ("uninstalled", "uninstalled_refused", "uninstalled_sure", "uninstalled_probe")  # all in ms


async def told(redis: Redis, orgs: Sequence[OrgId]) -> dict[OrgId, Uninstall]:
    """Of which of these shops it was said, and what is known by now."""
    client: Any = redis
    async with client.pipeline(transaction=False) as pipe:
        for org in orgs:
            pipe.hmget(keys.shop(org, "state"), *FIELDS)
        rows = await pipe.execute()
    return {
        org: Uninstall(*(int(each or 0) for each in row))
        for org, row in zip(orgs, rows, strict=True)
        if row[0]
    }


async def put_off(redis: Redis, org: OrgId, until_ms: int) -> None:
    """Ask Haravan next then."""
    client: Any = redis
    await client.hset(keys.shop(org, "state"), "uninstalled_probe", until_ms)


async def keep(redis: Redis, org: OrgId, known: Uninstall) -> bool:
    """Keep what is known by now; False where a new token or a person has ended it meanwhile."""
    values = (known.told_ms, known.refused_ms, known.sure_ms, known.probe_ms)
    return bool(await script(redis, "uninstalled")(keys=[keys.shop(org)], args=[*values]))
