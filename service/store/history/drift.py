"""Tags that people changed by hand: for each customer and tag the last time, kept 400 days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from service.domain.customers import CustomerId, ExternalChange, OrgId, latest_changes
from service.store.client import keys


async def manual_changes_of(
    redis: Redis, org: OrgId, customers: Sequence[CustomerId]
) -> dict[CustomerId, dict[str, ExternalChange]]:
    """What others last did to each tag (folded) of these customers, in one round trip; those untouched are left out."""
    if not customers:
        return {}
    client: Any = redis
    stored = await client.hmget(keys.shop(org, "drift_by_customer"), [str(one) for one in customers])
    pairs = zip(customers, stored, strict=True)
    return {customer: _unpacked(packed) for customer, packed in pairs if packed}


async def manual_changes_of_customer(
    redis: Redis, org: OrgId, customer: CustomerId
) -> dict[str, ExternalChange]:
    """The same for one customer."""
    return (await manual_changes_of(redis, org, [customer])).get(customer, {})


def _unpacked(packed: bytes) -> dict[str, ExternalChange]:
    """As settle.lua packs it: tag -> ms, below zero where the tag was taken off."""
    return latest_changes(
        ExternalChange(tag, added=at > 0, at_ms=abs(at)) for tag, at in _DECODER.decode(packed).items()
    )


_DECODER = msgspec.msgpack.Decoder(dict[str, int])
