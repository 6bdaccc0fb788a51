"""Drift: the last manual change of each tag of a customer, kept 400 days. settle.lua records it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from service.domain.customers import CustomerId, ExternalChange, OrgId, latest_changes
from service.store.client import RedisClient, batched, keys
from service.store.history.ledger import bounds

PAGE_SIZE: Final = 2_000


async def manual_changes_of(
    redis: RedisClient, org: OrgId, customers: Sequence[CustomerId]
) -> dict[CustomerId, dict[str, ExternalChange]]:
    """The last manual change of each tag (folded), in one round trip. Customers without one are left out."""
    if not customers:
        return {}
    fields = [str(customer) for customer in customers]
    stored = await redis.hmget(keys.shop(org, "drift_by_customer"), fields)
    return {customer: _decode(packed) for customer, packed in zip(customers, stored, strict=True) if packed}


async def manual_changes_of_customer(
    redis: RedisClient, org: OrgId, customer: CustomerId
) -> dict[str, ExternalChange]:
    """The last manual change of each tag (folded) of one customer."""
    return (await manual_changes_of(redis, org, [customer])).get(customer, {})


async def all_of_customer(redis: RedisClient, org: OrgId, customer: CustomerId) -> list[tuple[str, str]]:
    """Every manual change of a customer's tags, oldest first: (id, `+VIP` or `-VIP`). Reads the whole stream in pages."""
    wanted, start = str(customer).encode(), "-"
    changes: list[tuple[str, str]] = []
    while page := await redis.xrange(keys.shop(org, "drift"), start, "+", count=PAGE_SIZE):
        changes += [
            (entry_id.decode(), fields[b"tag"].decode())
            for entry_id, fields in page
            if fields[b"customer"] == wanted
        ]
        start = f"({page[-1][0].decode()}"
    return changes


class DriftRow(NamedTuple):
    """A manual change with its id, time and customer."""

    id: str
    at_ms: int
    customer: CustomerId
    is_added: bool
    tag: str


async def list_newest(
    redis: RedisClient,
    org: OrgId,
    *,
    limit: int,
    before: str = "",
    after: str = "",
    since_ms: int = 0,
    until_ms: int | None = None,
) -> list[DriftRow]:
    """The newest manual changes of a span first: those before the id `before`, and after the id `after`."""
    first, last = bounds(before, after, since_ms, until_ms)
    entries = await redis.xrevrange(keys.shop(org, "drift"), first, last, count=limit)
    return [_to_row(entry_id.decode(), fields) for entry_id, fields in entries]


async def delete_of_customer(redis: RedisClient, org: OrgId, customer: CustomerId) -> int:
    """Delete every manual change of a customer's tags. Returns how many there were."""
    ids = [entry_id for entry_id, _ in await all_of_customer(redis, org, customer)]
    for batch in batched(ids):
        await redis.xdel(keys.shop(org, "drift"), *batch)
    await redis.hdel(keys.shop(org, "drift_by_customer"), str(customer))
    return len(ids)


def _to_row(entry_id: str, fields: Mapping[bytes, bytes]) -> DriftRow:
    tag = fields[b"tag"].decode()
    at_ms = int(entry_id.partition("-")[0])
    return DriftRow(entry_id, at_ms, CustomerId(int(fields[b"customer"])), tag.startswith("+"), tag[1:])


def _decode(packed: bytes) -> dict[str, ExternalChange]:
    """settle.lua packs tag -> ms, below zero if the tag was removed."""
    return latest_changes(
        ExternalChange(tag, added=at > 0, at_ms=abs(at)) for tag, at in _DECODER.decode(packed).items()
    )


_DECODER = msgspec.msgpack.Decoder(dict[str, int])
