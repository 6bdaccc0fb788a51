"""The encrypted container of a backup: a header, then chunks that are sealed one by one, so that memory is bounded.

The key is derived from the passphrase by Argon2id. Each chunk is sealed with AES-256-GCM under its number and whether it is
the last one (the construction STREAM, as in age). A chunk that was changed, moved, repeated or removed, and a file
that ends early, therefore do not open.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.errors import MalformedData
from service.sentence import Sentence

MAGIC: Final = b"haravan-tagger backup\n"
FORMAT: Final = 1
HEADER: Final = struct.Struct(f">{len(MAGIC)}sBB16s")  # magic, format, key source, salt
CHUNK: Final = 64 * 1024  # bytes of content
TAG: Final = 16  # bytes that AES-GCM adds
MIN_PASSPHRASE: Final = 12  # characters
MIN_KEY: Final = 32  # bytes of a key file
# RFC 9106, section 4: the second recommended option, for 64 MiB of memory
ITERATIONS: Final = 3
LANES: Final = 4
MEMORY_KIB: Final = 64 * 1024


class KeySource(IntEnum):
    """What opens the file."""

    PASSPHRASE = 1
    KEY_FILE = 2


@dataclass(frozen=True, slots=True)
class Secret:
    """A passphrase, or the bytes of a key file."""

    source: KeySource
    value: bytes = field(repr=False)


class EncryptedWriter:
    """Encrypts what is written to it. Without `close` the file is incomplete and does not open."""

    def __init__(self, file: BinaryIO, secret: Secret) -> None:
        header = HEADER.pack(MAGIC, FORMAT, secret.source, secrets.token_bytes(16))
        file.write(header)
        self._file = file
        self._cipher = _cipher(secret, header)
        self._number = 0
        self._pending = bytearray()

    def write(self, content: bytes) -> None:
        """Add content to the file."""
        self._pending += content
        while len(self._pending) > CHUNK:  # the last chunk is not sealed before `close`
            self._seal(bytes(self._pending[:CHUNK]), is_last=False)
            del self._pending[:CHUNK]

    def close(self) -> None:
        """Write the last chunk. The caller closes the file."""
        self._seal(bytes(self._pending), is_last=True)

    def _seal(self, content: bytes, *, is_last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, is_last=is_last), content, None))
        self._number += 1


def read_source(file: BinaryIO) -> KeySource:
    """What opens the file, from its header. Leaves the file at its start. Raises MalformedData."""
    source, _ = _read_header(file)
    file.seek(0)
    return source


def decrypt(file: BinaryIO, secret: Secret) -> Iterator[bytes]:
    """The content in chunks. Raises MalformedData if the secret is wrong, or if the file was changed or is incomplete."""
    source, header = _read_header(file)
    if source is not secret.source:
        raise MalformedData(
            Sentence("this backup is opened with a passphrase")
            if source is KeySource.PASSPHRASE
            else Sentence("this backup is opened with a key file")
        )
    cipher = _cipher(secret, header)
    sealed, number = file.read(CHUNK + TAG), 0
    while True:
        following = file.read(CHUNK + TAG)
        try:
            yield cipher.decrypt(_nonce(number, is_last=not following), sealed, None)
        except (InvalidTag, ValueError) as exc:  # ValueError: too short
            raise MalformedData(_problem(number)) from exc
        if not following:
            return
        sealed, number = following, number + 1


def _problem(number: int) -> Sentence:
    if not number:
        return Sentence(
            "the backup does not open: the passphrase or the key file is wrong, or the file was changed or is incomplete"
        )
    return Sentence(
        "the backup was changed or is incomplete after {size} bytes; use another copy of it",
        size=number * CHUNK,
    )


def _read_header(file: BinaryIO) -> tuple[KeySource, bytes]:
    header = file.read(HEADER.size)
    if not header.startswith(MAGIC) or len(header) < HEADER.size:
        raise MalformedData(Sentence("this is not a backup of haravan-tagger"))
    _, version, source, _ = HEADER.unpack(header)
    if version != FORMAT:
        raise MalformedData(
            Sentence(
                "this backup has the format {format}; this program knows the format {known}",
                format=version,
                known=FORMAT,
            )
        )
    try:
        return KeySource(source), header
    except ValueError as exc:
        raise MalformedData(Sentence("the header of the backup was changed")) from exc


def _cipher(secret: Secret, header: bytes) -> AESGCM:
    """The whole header goes into the key, so that no field of it can be changed."""
    salt = header[-16:]
    derived = Argon2id(
        salt=salt, length=32, iterations=ITERATIONS, lanes=LANES, memory_cost=MEMORY_KIB
    ).derive(secret.value)
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=header).derive(derived))


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])
