"""What the web process and the one beside it say to each other: msgpack, each message behind its length."""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeVar

import msgspec

from service.settings import LogFormat
from service.web.ops.questions import Question, Reply

T = TypeVar("T")
LENGTH: Final = 4  # bytes, big-endian


class Start(msgspec.Struct, frozen=True):
    """The first message: what of the settings is needed. It never stands among a process's arguments."""

    redis_url: str
    secret_keys: tuple[str, ...]
    log_format: LogFormat


class Asking(msgspec.Struct, frozen=True):
    """A question with the number that its answer must bring."""

    number: int
    question: Question


class Answered(msgspec.Struct, frozen=True):
    """The reply to the question of that number."""

    number: int
    reply: Reply


def write(writer: asyncio.StreamWriter, message: Any) -> None:
    """Send one message."""
    packed = msgspec.msgpack.encode(message)
    writer.write(len(packed).to_bytes(LENGTH, "big") + packed)


async def read(reader: asyncio.StreamReader, kind: type[T]) -> T | None:
    """The next message; None when the other side has gone."""
    try:
        length = int.from_bytes(await reader.readexactly(LENGTH), "big")
        return msgspec.msgpack.decode(await reader.readexactly(length), type=kind)
    except (asyncio.IncompleteReadError, OSError):
        return None
