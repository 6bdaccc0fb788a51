"""The audit log: who did what to a shop; kept as long as the ledger."""

from __future__ import annotations

from typing import Any

import msgspec

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys


class AuditEntry(msgspec.Struct, frozen=True):
    """One action of a person. `details` has no customer data beyond the id."""

    at_ms: int
    by: str
    action: str  # `publish`, `rollback`, `adopt`, `retract`, `exclude`, `include`, `shadow`, `live`
    details: dict[str, Any]


async def append(redis: RedisClient, org: OrgId, *, by: str, action: str, details: dict[str, Any]) -> None:
    """Append an entry."""
    await redis.xadd(
        keys.shop(org, "audit"), {"by": by, "action": action, "details": msgspec.json.encode(details)}
    )


async def recent(redis: RedisClient, org: OrgId, *, limit: int = 100) -> list[AuditEntry]:
    """The latest entries, newest first."""
    entries = await redis.xrevrange(keys.shop(org, "audit"), count=limit)
    return [
        AuditEntry(
            at_ms=int(entry_id.decode().partition("-")[0]),
            by=fields[b"by"].decode(),
            action=fields[b"action"].decode(),
            details=msgspec.json.decode(fields[b"details"]),
        )
        for entry_id, fields in entries
    ]
