"""What we keep about customers besides their records: ownership, intents, holds, strikes, exclusions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from arq.connections import ArqRedis

from service.domain.customers import CustomerId, OrgId
from service.store.client import keys


class StoredCustomer(NamedTuple):
    """The packed state of one customer, as stored; None = nothing."""

    owned: bytes | None
    intents: bytes | None
    holds: bytes | None
    reverts: bytes | None
    exclusions: bytes | None
    pending_restores: bytes | None  # tags that a roll-back is to put back
    snapshot: bytes | None  # the record as it was last seen
    tombstone: bytes | None  # of a customer that was deleted and is back


HASHES: Final = ("owned", "intents", "holds", "reverts", "exclusions", "pending_restores", "snapshots")


async def load_states(
    redis: ArqRedis, org: OrgId, customers: Sequence[CustomerId]
) -> dict[CustomerId, StoredCustomer]:
    """What we keep about these customers, in one round trip."""
    if not customers:
        return {}
    fields = [str(customer) for customer in customers]
    async with redis.pipeline(transaction=False) as pipe:
        for name in HASHES:
            pipe.hmget(keys.shop(org, name), fields)
        pipe.mget([keys.shop(org, f"tombstone:{field}") for field in fields])
        columns = await pipe.execute()
    return {
        customer: StoredCustomer(*row)
        for customer, row in zip(customers, zip(*columns, strict=True), strict=True)
    }
