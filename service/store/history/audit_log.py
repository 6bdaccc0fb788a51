"""The audit log: what people did to a shop, and who it was; kept as long as the ledger."""

from __future__ import annotations

from typing import Any

import msgspec
from redis.asyncio import Redis

from service.domain.customers import OrgId
from service.store.client import keys


class AuditEntry(msgspec.Struct, frozen=True):
    """One thing that somebody did. `about` never carries a customer's data beyond the id."""

    at_ms: int
    by: str
    action: str  # `publish`, `rollback`, `adopt`, `retract`, `exclude`, `include`, `shadow`, `live`
    details: dict[str, Any]


async def append(redis: Redis, org: OrgId, *, by: str, action: str, details: dict[str, Any]) -> None:
    """Write down what was done."""
    client: Any = redis
    await client.xadd(
        keys.shop(org, "audit"), {"by": by, "what": action, "about": msgspec.json.encode(details)}
    )


async def recent(redis: Redis, org: OrgId, *, limit: int = 100) -> list[AuditEntry]:
    """The newest first."""
    client: Any = redis
    found = await client.xrevrange(keys.shop(org, "audit"), count=limit)
    return [
        AuditEntry(
            at_ms=int(name.decode().partition("-")[0]),
            by=fields[b"by"].decode(),
            action=fields[b"what"].decode(),
            details=msgspec.json.decode(fields[b"about"]),
        )
        for name, fields in found
    ]
