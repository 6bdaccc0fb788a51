"""What we keep about one customer besides the record: owned tags, holds, exclusions, intents, and their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import msgspec
from msgspec.msgpack import Decoder, Encoder

from service.errors import MalformedData

T = TypeVar("T")


class Ownership(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """A tag that we added: as we spelled it, for which rule or tier id, when, under which version.

    `adopted`: somebody else had added it, and it became ours then.
    """

    tag: str
    rule: str
    since_ms: int
    version: int = 0
    adopted: bool = False

    def transferred(self, *, rule: str, version: int) -> Ownership:
        """The same ownership, held by another rule or tier from now on."""
        return Ownership(self.tag, rule, self.since_ms, version, self.adopted)


class Hold(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """Why a tag stays although its rule no longer matches.

    `tag` is the folded key that was given, or the tier's level; `since` the day (ordinal) of the giving;
    `below` the day on which a tier was first seen lower, None while it is not, and `by` the version that saw it.
    """

    tag_key: str
    since_day: int
    below_since: int | None = None
    observed_by: int = 0


class UndoRecord(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """How a tag stood when we removed it: whose it was (None: not ours), and the holds on it by rule or tier id.

    `by`: the version that puts it back, where one does.
    """

    tag: str  # as the record spelled it
    ownership: Ownership | None = None
    holds: dict[str, Hold] = {}  # msgspec copies an empty default
    restored_by: int = 0


class WriteIntent(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """An addition, or with `taken` a removal, that was about to be sent at `at_ms`; the record tells if it arrived.

    Without a `rule` it will not be ours. The rest is for the ledger, in case the answer is lost.
    """

    tag: str
    rule: str
    at_ms: int
    version: int = 0
    is_removal: bool = False
    cause: str = ""
    evidence: dict[str, object] = {}
    undo: UndoRecord | None = None


@dataclass(frozen=True, slots=True)
class CustomerState:
    """What we keep about one customer besides the record.

    `restores`: tags that an undone version removed, to be decided on as if they had stayed; for one decision.
    """

    ownership: Mapping[str, Ownership] = field(default_factory=dict)  # by folded tag
    holds: Mapping[str, Hold] = field(default_factory=dict)  # by rule or tier id
    excluded_rules: frozenset[str] = frozenset()  # rule and tier ids
    restores: Mapping[str, UndoRecord] = field(default_factory=dict)  # by folded tag


EMPTY_STATE: Final = CustomerState()


class Codec(Generic[T]):
    """The stored bytes of values by text, such as ownership by folded tag. No values are empty bytes."""

    __slots__ = ("_decoder",)

    def __init__(self, value_type: type[T]) -> None:
        self._decoder: Final[Decoder[dict[str, T]]] = Decoder(dict[str, value_type])  # type: ignore[valid-type]

    def encode(self, values: Mapping[str, T]) -> bytes:
        """Equal values have equal bytes."""
        return _ENCODER.encode(dict(values)) if values else b""

    def decode(self, data: bytes | None) -> dict[str, T]:
        """Raise Unreadable if the bytes are damaged. None and empty bytes are no values."""
        if not data:
            return {}
        try:
            return self._decoder.decode(data)
        except msgspec.MsgspecError as exc:
            raise MalformedData("what is kept about a customer cannot be read") from exc


_ENCODER: Final = Encoder(order="deterministic")

OWNERSHIP_CODEC: Final = Codec(Ownership)  # by folded tag
HOLDS_CODEC: Final = Codec(Hold)  # by id of the rule or tier
INTENTS_CODEC: Final = Codec(WriteIntent)  # by `intent_key`
RESTORES_CODEC: Final = Codec(UndoRecord)  # by folded tag
