"""What we keep about a customer, from its bytes."""

from __future__ import annotations

from collections.abc import Iterable

from service.domain.customers import Customer, unpack
from service.domain.judgement import Background
from service.domain.standing import Standing, unpack_held, unpack_intents, unpack_owned, unpack_restores
from service.domain.strikes import unpack_strikes
from service.errors import Unreadable
from service.store.kept import Kept


def background(stored: Kept) -> Background:
    """A customer that was deleted and is back finds what its tombstone kept. Raises Unreadable."""
    owned, held = stored.owned, stored.held
    if stored.tombstone and owned is None and held is None:
        length, _, both = stored.tombstone.partition(b":")
        owned, held = both[: int(length)], both[int(length) :]
    return Background(
        standing=standing(owned=owned, held=held, excluded=stored.excluded, restores=stored.restores),
        intents=unpack_intents(stored.intents or b""),
        strikes=unpack_strikes(stored.strikes),
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
        owned=unpack_owned(owned or b""),
        held=unpack_held(held or b""),
        excluded=unpack_excluded(excluded),
        restores=unpack_restores(restores or b""),
    )


def pack_excluded(rules: Iterable[str]) -> bytes:
    """Rule and tier ids, comma-joined; nothing is empty bytes."""
    return ",".join(sorted(rules)).encode()


def unpack_excluded(packed: bytes | None) -> frozenset[str]:
    """The reverse."""
    return frozenset(packed.decode().split(",")) if packed else frozenset()
