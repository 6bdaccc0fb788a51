"""The records of a backup, each as its length in four bytes and msgpack: a start, sections with their parts, and an end."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import msgspec

from service.domain.customers import OrgId
from service.errors import MalformedData
from service.sentence import Sentence
from service.store.backup import Part

LENGTH: Final = struct.Struct(">I")
MAX_RECORD: Final = 256 * 1024 * 1024  # bytes; a longer one is damage that happens to be authentic


class Start(msgspec.Struct, frozen=True, array_like=True, tag="start"):
    """The first record."""

    layout: int  # of the store, see service/store/client/layout.py
    program: str  # the version of the program that made the backup
    at_ms: int
    store_id: str  # random, of the data of this Redis server


class SectionStart(msgspec.Struct, frozen=True, array_like=True, tag="section"):
    """What follows belongs to this shop, or to the service. `fingerprints`: of the keys that wrap its data keys."""

    org: OrgId
    name: str
    fingerprints: tuple[str, ...] = ()


class SectionEnd(msgspec.Struct, frozen=True, array_like=True, tag="section_end"):
    """How many entries the parts of the section have, by name."""

    counts: dict[str, int]


class End(msgspec.Struct, frozen=True, array_like=True, tag="end"):
    """The last record."""

    sections: int
    parts: int


Record: TypeAlias = Start | SectionStart | Part | SectionEnd | End


def encode_record(record: Record) -> bytes:
    """The record with its length before it."""
    encoded = _ENCODE(record)
    return LENGTH.pack(len(encoded)) + encoded


def decode_records(chunks: Iterable[bytes]) -> Iterator[Record]:
    """The records of the content of a backup. Raises MalformedData."""
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        while len(pending) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(pending)
            if length > MAX_RECORD:
                raise MalformedData(Sentence("the backup has a record that is too long"))
            if len(pending) < LENGTH.size + length:
                break
            yield _decode(bytes(pending[LENGTH.size : LENGTH.size + length]))
            del pending[: LENGTH.size + length]
    if pending:
        raise MalformedData(Sentence("the backup ends within a record"))


def _decode(encoded: bytes) -> Record:
    try:
        record: Record = _DECODE(encoded)
    except msgspec.MsgspecError as exc:
        raise MalformedData(Sentence("the backup has a record that this program does not know")) from exc
    return record


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(Record).decode
