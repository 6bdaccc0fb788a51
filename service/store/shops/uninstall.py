"""The uninstall state of a shop. mark_dirty.lua saves when the webhook `app/uninstalled` reported it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from service.domain.customers import OrgId
from service.domain.sync import UninstallState
from service.store.client import RedisClient, keys

UNINSTALLED: Final = "uninstalled"  # the reason of the pause
FIELDS: Final = (
    "uninstall_reported_ms",
    "uninstall_first_denied_ms",
    "uninstall_confirmed_ms",
    "uninstall_next_probe_ms",
)


async def load_uninstalls(redis: RedisClient, orgs: Sequence[OrgId]) -> dict[OrgId, UninstallState]:
    """The uninstall states of those shops whose uninstall was reported."""
    async with redis.pipeline(transaction=False) as pipe:
        for org in orgs:
            pipe.hmget(keys.shop(org, "state"), *FIELDS)
        rows = await pipe.execute()
    return {
        org: UninstallState(*(int(value or 0) for value in row))
        for org, row in zip(orgs, rows, strict=True)
        if row[0]
    }


async def postpone_probe(redis: RedisClient, org: OrgId, until_ms: int) -> None:
    """Probe the shop's token at `until_ms` at the earliest."""
    await redis.hset(keys.shop(org, "state"), "uninstall_next_probe_ms", until_ms)


async def save_uninstall(redis: RedisClient, org: OrgId, uninstall: UninstallState) -> bool:
    """Save the uninstall state. Returns False if a new token or a person has cleared it meanwhile."""
    values = (
        uninstall.announced_ms,
        uninstall.first_refused_ms,
        uninstall.confirmed_ms,
        uninstall.next_probe_ms,
    )
    state = keys.shop(org, "state")

    async def attempt(pipe: Any) -> bool:
        if int(await pipe.hget(state, FIELDS[0]) or 0) != uninstall.announced_ms:
            return False
        pipe.multi()
        pipe.hset(state, mapping=dict(zip(FIELDS, values, strict=True)))
        return True

    saved: bool = await redis.transact([state], attempt)
    return saved
