"""A tag of ours that is undone again and again: the third time within a day we stop giving it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

WITHIN_MS: Final = 24 * 3_600_000
MOST: Final = 3

Strikes = Mapping[str, tuple[int, ...]]  # folded tag -> when it was undone, ms


def strike(strikes: Strikes, undone: Mapping[str, int], *, now_ms: int) -> Strikes:
    """Note that these (folded) tags were undone, each at a moment; what is older than a day is forgotten."""
    recent = {tag: tuple(at for at in moments if now_ms - at < WITHIN_MS) for tag, moments in strikes.items()}
    for tag, at in undone.items():
        recent[tag] = (*recent.get(tag, ()), at)[-MOST:]
    return {tag: moments for tag, moments in recent.items() if moments}


def stopped(strikes: Strikes, *, now_ms: int) -> frozenset[str]:
    """The folded tags that are not to be given now."""
    return frozenset(
        tag for tag, moments in strikes.items() if sum(now_ms - at < WITHIN_MS for at in moments) >= MOST
    )


def pack_strikes(strikes: Strikes) -> bytes:
    """For the store; nothing is empty bytes."""
    return msgspec.msgpack.encode(strikes) if strikes else b""


def unpack_strikes(packed: bytes | None) -> Strikes:
    return _DECODER.decode(packed) if packed else {}


_DECODER = msgspec.msgpack.Decoder(dict[str, tuple[int, ...]])
