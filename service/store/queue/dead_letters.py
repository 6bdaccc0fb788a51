"""Dead letters: customers that could not be brought right, one open letter for each cause, with a count."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from arq.connections import ArqRedis

from service.domain.customers import CustomerId, OrgId
from service.errors import NotFound
from service.store.client import batched, keys, scan_hash
from service.store.queue import dirty

RETRY_INTERVAL_MS = 24 * 3_600_000


class DeadLetter(msgspec.Struct, frozen=True):
    """An open letter: since when, how often, and what a person should know."""

    customer: CustomerId
    cause: str
    text: str
    first_ms: int
    last_ms: int
    count: int
    transient: bool


class _Stored(msgspec.Struct, frozen=True):
    text: str
    first: int
    last: int
    count: int
    transient: bool = False


async def list_open(redis: ArqRedis, org: OrgId) -> list[DeadLetter]:
    """Every open letter of a shop, the oldest first."""
    found: dict[bytes, bytes] = {}
    async for step in scan_hash(redis, keys.shop(org, "dead_letters")):
        found.update(step)
    letters = [each for name, stored in found.items() for each in _letters(CustomerId(int(name)), stored)]
    return sorted(letters, key=lambda letter: letter.first_ms)


async def for_customer(redis: ArqRedis, org: OrgId, customer: CustomerId) -> list[DeadLetter]:
    """The open letters of one customer."""
    stored = await redis.hget(keys.shop(org, "dead_letters"), str(customer))
    return _letters(customer, stored) if stored else []


async def retry(redis: ArqRedis, org: OrgId, customers: Sequence[CustomerId]) -> None:
    """Look at these customers again; a success closes their letters, and what stopped a tag is forgiven."""
    for chunk in batched(customers):
        await redis.hdel(keys.shop(org, "reverts"), *[str(customer) for customer in chunk])
    await dirty.mark_dirty_customers(redis, org, customers, cause="retry")


async def discard(redis: ArqRedis, org: OrgId, customer: CustomerId) -> None:
    """Close a customer's letters without doing anything; raises NotFound."""
    if not await redis.hdel(keys.shop(org, "dead_letters"), str(customer)):
        raise NotFound(f"customer {customer} has no open dead letter")


async def due_for_retry(redis: ArqRedis, org: OrgId, *, now_ms: int) -> list[CustomerId]:
    """Customers whose transient letter was last tried a day ago."""
    letters = await list_open(redis, org)
    due = {each.customer for each in letters if each.transient and now_ms - each.last_ms >= RETRY_INTERVAL_MS}
    return sorted(due)


def _letters(customer: CustomerId, stored: bytes) -> list[DeadLetter]:
    return [
        DeadLetter(customer, cause, one.text, one.first, one.last, one.count, one.transient)
        for cause, one in _DECODER.decode(stored).items()
    ]


_DECODER = msgspec.json.Decoder(dict[str, _Stored], strict=False)
