"""The stored state of one customer besides the record: ownership, holds, exclusions, intents, and their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import msgspec
from msgspec.msgpack import Decoder, Encoder

from service.errors import MalformedData

T = TypeVar("T")


class Ownership(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """A tag that we own, because we added it or adopted it."""

    tag: str  # as we spelled it
    rule: str  # id of the rule or tier
    since_ms: int
    version: int = 0
    adopted: bool = False  # a person added the tag, and an adoption made it ours

    def transferred(self, *, rule: str, version: int) -> Ownership:
        """The same ownership under another rule or tier. The tag is as old as before."""
        return Ownership(self.tag, rule, self.since_ms, version, self.adopted)


class Hold(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """Why a tag stays although its rule no longer matches: `keep` of a rule, or `downgrade` of a tier.

    Days are ordinals.
    """

    tag_key: str  # the folded tag; for a tier the tag of the level
    since_day: int  # the day on which the tag was added
    below_since: int | None = None  # the day since which the customer has earned only a lower level
    observed_by: int = 0  # the version that first observed the lower level


class UndoRecord(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """The state of a tag at the moment we removed it. A roll-back restores it."""

    tag: str  # as the record spelled it
    ownership: Ownership | None = None  # None: we did not own it
    holds: dict[str, Hold] = {}  # by id of the rule or tier; msgspec copies an empty default
    restored_by: int = 0  # the version whose publication restores the tag; 0: none does


class WriteIntent(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """An addition or a removal, stored before it is sent. If the answer is lost, the next record shows if it arrived.

    `cause`, `evidence` and `undo` are for the ledger entry that the lost answer would have written.
    """

    tag: str
    rule: str  # empty: we will not own the tag
    at_ms: int
    version: int = 0
    is_removal: bool = False
    cause: str = ""
    evidence: dict[str, object] = {}
    undo: UndoRecord | None = None


@dataclass(frozen=True, slots=True)
class CustomerState:
    """What a decision reads and writes about one customer besides the record.

    `restores`: tags that a rolled-back version removed. One decision treats them as if they had stayed; then they
    are settled.
    """

    ownership: Mapping[str, Ownership] = field(default_factory=dict)  # by folded tag
    holds: Mapping[str, Hold] = field(default_factory=dict)  # by rule or tier id
    excluded_rules: frozenset[str] = frozenset()  # rule and tier ids
    restores: Mapping[str, UndoRecord] = field(default_factory=dict)  # by folded tag


EMPTY_STATE: Final = CustomerState()


class Codec(Generic[T]):
    """Stored bytes of a mapping from text to values, such as ownership by folded tag. An empty mapping is no bytes."""

    __slots__ = ("_decoder",)

    def __init__(self, value_type: type[T]) -> None:
        self._decoder: Final[Decoder[dict[str, T]]] = Decoder(dict[str, value_type])  # type: ignore[valid-type]

    def encode(self, values: Mapping[str, T]) -> bytes:
        """Equal mappings have equal bytes."""
        return _ENCODER.encode(dict(values)) if values else b""

    def decode(self, data: bytes | None) -> dict[str, T]:
        """Raise MalformedData if the bytes are damaged. None and empty bytes are an empty mapping."""
        if not data:
            return {}
        try:
            return self._decoder.decode(data)
        except msgspec.MsgspecError as exc:
            raise MalformedData("the stored state of a customer cannot be read") from exc


_ENCODER: Final = Encoder(order="deterministic")

OWNERSHIP_CODEC: Final = Codec(Ownership)  # by folded tag
HOLDS_CODEC: Final = Codec(Hold)  # by id of the rule or tier
INTENTS_CODEC: Final = Codec(WriteIntent)  # by `intent_key`
RESTORES_CODEC: Final = Codec(UndoRecord)  # by folded tag
