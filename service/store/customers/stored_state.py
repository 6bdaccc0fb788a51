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
    owned, held = stored.owned, stored.holds
    if stored.tombstone and owned is None and held is None:
        length, _, both = stored.tombstone.partition(b":")
        owned, held = both[: int(length)], both[int(length) :]
    return StoredState(
        state=to_state(
            owned=owned, holds=held, exclusions=stored.exclusions, pending_restores=stored.pending_restores
        ),
        intents=INTENTS_CODEC.decode(stored.intents),
        reverts=REVERTS_CODEC.decode(stored.reverts),
    )


def last_snapshot(stored: StoredCustomer) -> Customer | None:
    """The customer as it was last seen; None before the first look, or where the snapshot cannot be read."""
    try:
        return decode_snapshot(stored.snapshot) if stored.snapshot else None
    except MalformedData:
        return None


def to_state(
    *,
    owned: bytes | None,
    holds: bytes | None,
    exclusions: bytes | None,
    pending_restores: bytes | None = None,
) -> CustomerState:
    """What is ours, held, excluded and to be put back. Raises Unreadable."""
    return CustomerState(
        ownership=OWNERSHIP_CODEC.decode(owned),
        holds=HOLDS_CODEC.decode(holds),
        excluded_rules=decode_exclusions(exclusions),
        restores=RESTORES_CODEC.decode(pending_restores),
    )


def encode_exclusions(rules: Iterable[str]) -> bytes:
    """Rule and tier ids, comma-joined; nothing is empty bytes."""
    return ",".join(sorted(rules)).encode()


def decode_exclusions(packed: bytes | None) -> frozenset[str]:
    """The reverse."""
    return frozenset(packed.decode().split(",")) if packed else frozenset()
