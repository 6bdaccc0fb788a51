"""What we keep about a customer, from its bytes."""

from __future__ import annotations

from collections.abc import Iterable

from service.domain.customers import Customer, unpack
from service.domain.judgement import StoredState
from service.domain.standing import HOLDS_CODEC, INTENTS_CODEC, OWNERSHIP_CODEC, RESTORES_CODEC, Standing
from service.domain.strikes import REVERTS_CODEC
from service.errors import Unreadable
from service.store.kept import Kept


def background(stored: Kept) -> StoredState:
    """A customer that was deleted and is back finds what its tombstone kept. Raises Unreadable."""
    owned, held = stored.owned, stored.held
    if stored.tombstone and owned is None and held is None:
        length, _, both = stored.tombstone.partition(b":")
        owned, held = both[: int(length)], both[int(length) :]
    return StoredState(
        standing=standing(owned=owned, held=held, excluded=stored.excluded, restores=stored.restores),
        intents=INTENTS_CODEC.decode(stored.intents),
        reverts=REVERTS_CODEC.decode(stored.strikes),
    )


def last_seen(stored: Kept) -> Customer | None:
    """The customer as it was last seen; None before the first look, or where the snapshot cannot be read."""
    try:
        return unpack(stored.snap) if stored.snap else None
    except Unreadable:
        return None


def standing(
    *, owned: bytes | None, held: bytes | None, excluded: bytes | None, restores: bytes | None = None
) -> Standing:
    """What is ours, held, excluded and to be put back. Raises Unreadable."""
    return Standing(
        owned=OWNERSHIP_CODEC.decode(owned),
        held=HOLDS_CODEC.decode(held),
        excluded=unpack_excluded(excluded),
        restores=RESTORES_CODEC.decode(restores),
    )


def pack_excluded(rules: Iterable[str]) -> bytes:
    """Rule and tier ids, comma-joined; nothing is empty bytes."""
    return ",".join(sorted(rules)).encode()


def unpack_excluded(packed: bytes | None) -> frozenset[str]:
    """The reverse."""
    return frozenset(packed.decode().split(",")) if packed else frozenset()
