"""An answer that comes late: how it is stored, and how it is shown to whoever follows it."""

from __future__ import annotations

import msgspec

from service.web.ops.models import LateAnswer
from service.web.ops.questions import Reply

UNDER_WAY = 202


class Late(msgspec.Struct, frozen=True):
    """What is stored of it."""

    operation: str
    reply: Reply


def pack(operation: str, reply: Reply) -> bytes:
    return _PACK(Late(operation, reply))


def unpack(packed: bytes) -> Late:
    return _UNPACK(packed)


def shown(name: str, operation: str | None, packed: bytes | None) -> LateAnswer | None:
    """How it stands with the question of that name; None when nobody knows it."""
    if packed is not None:
        late = unpack(packed)
        return LateAnswer(name, late.operation, late.reply.status, msgspec.json.decode(late.reply.body))
    return LateAnswer(name, operation, UNDER_WAY, None) if operation is not None else None


_PACK = msgspec.msgpack.Encoder().encode
_UNPACK = msgspec.msgpack.Decoder(Late).decode
