"""What we keep about one customer besides the record: owned tags, holds, exclusions, intents, and their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from service.errors import Unreadable


class Owned(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """A tag that we added: as we spelled it, for which rule or tier id, when, under which version.

    `adopted`: somebody else had added it, and it became ours then.
    """

    tag: str
    rule: str
    since_ms: int
    version: int = 0
    adopted: bool = False


class Hold(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """Why a tag stays although its rule no longer matches.

    `tag` is the folded key that was given, or the tier's level; `since` the day (ordinal) of the giving;
    `below` the day on which a tier was first seen lower, None while it is not, and `by` the version that saw it.
    """

    tag: str
    since: int
    below: int | None = None
    by: int = 0


class Stood(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """How a tag stood when we removed it: whose it was (None: not ours), and the holds on it by rule or tier id.

    `by`: the version that puts it back, where one does.
    """

    tag: str  # as the record spelled it
    own: Owned | None = None
    holds: dict[str, Hold] = {}  # msgspec copies an empty default
    by: int = 0


class Intent(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """An addition, or with `taken` a removal, that was about to be sent at `at_ms`; the record tells if it arrived.

    Without a `rule` it will not be ours. The rest is for the ledger, in case the answer is lost.
    """

    tag: str
    rule: str
    at_ms: int
    version: int = 0
    taken: bool = False
    why: str = ""
    values: dict[str, object] = {}
    stood: Stood | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What we keep about one customer besides the record.

    `restores`: tags that an undone version removed, to be decided on as if they had stayed; for one decision.
    """

    owned: Mapping[str, Owned] = field(default_factory=dict)  # by folded tag
    held: Mapping[str, Hold] = field(default_factory=dict)  # by rule or tier id
    excluded: frozenset[str] = frozenset()  # rule and tier ids
    restores: Mapping[str, Stood] = field(default_factory=dict)  # by folded tag


NOTHING: Final = Standing()


def taken_over(own: Owned, *, rule: str, version: int) -> Owned:
    """The same tag, answered for by another rule or tier from now on."""
    return Owned(own.tag, rule, own.since_ms, version, own.adopted)


T = TypeVar("T")

_PACKER: Final = msgspec.msgpack.Encoder(order="deterministic")


def pack_owned(owned: Mapping[str, Owned]) -> bytes:
    """The bytes of a customer's ownership; empty for none."""
    return _pack(owned)


def unpack_owned(packed: bytes) -> dict[str, Owned]:
    """The reverse; raises Unreadable."""
    return _unpack(packed, dict[str, Owned])


def pack_held(held: Mapping[str, Hold]) -> bytes:
    """The bytes of a customer's holds; empty for none."""
    return _pack(held)


def unpack_held(packed: bytes) -> dict[str, Hold]:
    """The reverse; raises Unreadable."""
    return _unpack(packed, dict[str, Hold])


def pack_intents(intents: Mapping[str, Intent]) -> bytes:
    """The bytes of a customer's open intents; empty for none."""
    return _pack(intents)


def unpack_intents(packed: bytes) -> dict[str, Intent]:
    """The reverse; raises Unreadable."""
    return _unpack(packed, dict[str, Intent])


def pack_restores(restores: Mapping[str, Stood]) -> bytes:
    """The bytes of what is to be put back for a customer; empty for nothing."""
    return _pack(restores)


def unpack_restores(packed: bytes) -> dict[str, Stood]:
    """The reverse; raises Unreadable."""
    return _unpack(packed, dict[str, Stood])


def _pack(kept: Mapping[str, msgspec.Struct]) -> bytes:
    return _PACKER.encode(dict(kept)) if kept else b""


def _unpack(packed: bytes, shape: type[dict[str, T]]) -> dict[str, T]:
    if not packed:
        return {}
    try:
        return msgspec.msgpack.decode(packed, type=shape)
    except msgspec.MsgspecError as exc:
        raise Unreadable("what is kept about a customer cannot be read") from exc
