"""The state of customers besides their records: ownership, intents, holds, reverts, exclusions, pending restores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from service.domain.customers import Customer, CustomerId, OrgId
from service.domain.decisions import (
    HOLDS_CODEC,
    INTENTS_CODEC,
    OWNERSHIP_CODEC,
    RESTORES_CODEC,
    CustomerState,
)
from service.domain.sync import REVERTS_CODEC, StoredState
from service.errors import MalformedData
from service.store.client import RedisClient, batched, keys, load_script
from service.store.customers.sealed_snapshots import read_snapshot


class StoredCustomer(NamedTuple):
    """The encoded state of one customer. None = nothing is stored."""

    owned: bytes | None
    intents: bytes | None
    holds: bytes | None
    reverts: bytes | None
    exclusions: bytes | None
    pending_restores: bytes | None
    snapshot: bytes | None
    tombstone: bytes | None  # ownership and holds of a customer that was deleted and exists again


HASHES: Final = ("owned", "intents", "holds", "reverts", "exclusions", "pending_restores", "snapshots")


async def load_states(
    redis: RedisClient, org: OrgId, customers: Sequence[CustomerId]
) -> dict[CustomerId, StoredCustomer]:
    """The encoded states of these customers, in one round trip."""
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


async def save_values(
    redis: RedisClient,
    org: OrgId,
    name: Literal["owned", "pending_restores", "schedule"],
    values: Mapping[int, bytes | int],
) -> None:
    """Save values of customers, or the days on which they are due. An earlier day stays.

    A customer that was erased within the last day is skipped: the value may come from what was stored before.
    """
    for batch in batched([*values.items()]):
        arguments = [part for customer_and_value in batch for part in customer_and_value]
        await load_script("customers", "save_values")(redis, org, name, *arguments)


def to_stored_state(stored: StoredCustomer) -> StoredState:
    """The decoded state. If a deleted customer exists again, its tombstone counts. Raises MalformedData."""
    owned, holds = stored.owned, stored.holds
    if stored.tombstone and owned is None and holds is None:
        length, _, both = stored.tombstone.partition(b":")  # as settle.lua packs it
        owned, holds = both[: int(length)], both[int(length) :]
    return StoredState(
        state=to_state(
            owned=owned,
            holds=holds,
            exclusions=stored.exclusions,
            pending_restores=stored.pending_restores,
        ),
        intents=INTENTS_CODEC.decode(stored.intents),
        reverts=REVERTS_CODEC.decode(stored.reverts),
    )


def to_state(
    *,
    owned: bytes | None,
    holds: bytes | None,
    exclusions: bytes | None,
    pending_restores: bytes | None = None,
) -> CustomerState:
    """The decoded state as far as decisions need it. Raises MalformedData."""
    return CustomerState(
        ownership=OWNERSHIP_CODEC.decode(owned),
        holds=HOLDS_CODEC.decode(holds),
        excluded_rules=decode_exclusions(exclusions),
        restores=RESTORES_CODEC.decode(pending_restores),
    )


def last_snapshot(stored: StoredCustomer) -> Customer | None:
    """The customer when it was last read, without personal fields. None if it never was, or if that is malformed."""
    try:
        return read_snapshot(stored.snapshot).facts if stored.snapshot else None
    except MalformedData:
        return None


def encode_exclusions(rules: Iterable[str]) -> bytes:
    """The ids of rules and tiers, comma-joined. None of them: empty bytes."""
    return ",".join(sorted(rules)).encode()


def decode_exclusions(packed: bytes | None) -> frozenset[str]:
    """The ids of the rules and tiers that a customer is excluded from."""
    return frozenset(packed.decode().split(",")) if packed else frozenset()
