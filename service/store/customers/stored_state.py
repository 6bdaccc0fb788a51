"""What we keep about a customer, from its bytes."""

from __future__ import annotations

from collections.abc import Iterable

from service.domain.customers import Customer, decode_snapshot
from service.domain.decisions import (
    HOLDS_CODEC,
    INTENTS_CODEC,
    OWNERSHIP_CODEC,
    RESTORES_CODEC,
    CustomerState,
)
from service.domain.sync import REVERTS_CODEC, StoredState
from service.errors import MalformedData
from service.store.customers.state import StoredCustomer


def to_stored_state(stored: StoredCustomer) -> StoredState:
    """A customer that was deleted and is back finds what its tombstone kept. Raises Unreadable."""
    owned, held = stored.owned, stored.held
    if stored.tombstone and owned is None and held is None:
        length, _, both = stored.tombstone.partition(b":")
        owned, held = both[: int(length)], both[int(length) :]
    return StoredState(
        state=to_state(owned=owned, held=held, excluded=stored.excluded, restores=stored.restores),
        intents=INTENTS_CODEC.decode(stored.intents),
        reverts=REVERTS_CODEC.decode(stored.strikes),
    )


def last_snapshot(stored: StoredCustomer) -> Customer | None:
    """The customer as it was last seen; None before the first look, or where the snapshot cannot be read."""
    try:
        return decode_snapshot(stored.snap) if stored.snap else None
    except MalformedData:
        return None


def to_state(
    *, owned: bytes | None, held: bytes | None, excluded: bytes | None, restores: bytes | None = None
) -> CustomerState:
    """What is ours, held, excluded and to be put back. Raises Unreadable."""
    return CustomerState(
        ownership=OWNERSHIP_CODEC.decode(owned),
        holds=HOLDS_CODEC.decode(held),
        excluded_rules=decode_exclusions(excluded),
        restores=RESTORES_CODEC.decode(restores),
    )


def encode_exclusions(rules: Iterable[str]) -> bytes:
    """Rule and tier ids, comma-joined; nothing is empty bytes."""
    return ",".join(sorted(rules)).encode()


def decode_exclusions(packed: bytes | None) -> frozenset[str]:
    """The reverse."""
    return frozenset(packed.decode().split(",")) if packed else frozenset()
