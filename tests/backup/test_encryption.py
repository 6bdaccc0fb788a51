"""The container of a backup: what was written comes back, and what was changed or cut does not open."""

from __future__ import annotations

from io import BytesIO

import pytest
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.backup import encryption
from service.backup.encryption import (
    CHUNK,
    HEADER,
    TAG,
    EncryptedWriter,
    KeySource,
    Secret,
    decrypt,
    read_source,
)
from service.errors import MalformedData
from tests.backup.conftest import SHIPPED_MEMORY_KIB

SECRET = Secret(KeySource.PASSPHRASE, b"correct horse battery staple")
CONTENT = bytes(range(256)) * (CHUNK // 256) * 2 + b"the end"  # two whole chunks and a short one


def encrypted(content: bytes, secret: Secret = SECRET) -> bytes:
    file = BytesIO()
    writer = EncryptedWriter(file, secret)
    for start in range(0, len(content), 1000):
        writer.write(content[start : start + 1000])
    writer.close()
    return file.getvalue()


def decrypted(file: bytes, secret: Secret = SECRET) -> bytes:
    return b"".join(decrypt(BytesIO(file), secret))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_content_of_any_length_comes_back(size: int) -> None:
    content = (CONTENT * 2)[:size]

    assert decrypted(encrypted(content)) == content


def test_two_files_of_the_same_content_share_nothing_but_the_header() -> None:
    first, second = encrypted(CONTENT), encrypted(CONTENT)

    assert first[HEADER.size :][:CHUNK] != second[HEADER.size :][:CHUNK]


@pytest.mark.parametrize(
    "length",
    [
        HEADER.size,
        HEADER.size + 10,
        HEADER.size + CHUNK + TAG,  # at the end of a chunk
        HEADER.size + 2 * (CHUNK + TAG),
        len(CONTENT),
    ],
)
def test_a_file_that_ends_early_does_not_open(length: int) -> None:
    with pytest.raises(MalformedData, match="incomplete"):
        decrypted(encrypted(CONTENT)[:length])


def test_a_file_without_its_last_chunk_does_not_open() -> None:
    file = BytesIO()
    EncryptedWriter(file, SECRET).write(CONTENT)  # and no close()

    with pytest.raises(MalformedData, match="incomplete"):
        decrypted(file.getvalue())


@pytest.mark.parametrize("place", [len(b"haravan-tagger backup\n") + 5, HEADER.size + 7, -1])
def test_a_changed_byte_is_found(place: int) -> None:
    file = bytearray(encrypted(CONTENT))
    file[place] ^= 1

    with pytest.raises(MalformedData):
        decrypted(bytes(file))


def test_chunks_cannot_be_exchanged_repeated_or_appended() -> None:
    file = encrypted(CONTENT)
    header, first, second, rest = (
        file[: HEADER.size],
        file[HEADER.size :][: CHUNK + TAG],
        file[HEADER.size + CHUNK + TAG :][: CHUNK + TAG],
        file[HEADER.size + 2 * (CHUNK + TAG) :],
    )

    for changed in (
        header + second + first + rest,
        header + first + first + rest,
        file + first,
        header + second + rest,
    ):
        with pytest.raises(MalformedData):
            decrypted(changed)


def test_a_wrong_passphrase_is_said_to_be_one() -> None:
    with pytest.raises(MalformedData, match="passphrase or the key file is wrong"):
        decrypted(encrypted(CONTENT), Secret(KeySource.PASSPHRASE, b"something else"))


def test_a_key_file_and_a_passphrase_are_told_apart() -> None:
    with_key = encrypted(CONTENT, Secret(KeySource.KEY_FILE, SECRET.value))

    assert read_source(BytesIO(with_key)) is KeySource.KEY_FILE
    with pytest.raises(MalformedData, match="opened with a key file"):
        decrypted(with_key)


@pytest.mark.parametrize("file", [b"", b"PK\x03\x04", b"haravan-tagger backup\n"])
def test_another_file_is_refused(file: bytes) -> None:
    with pytest.raises(MalformedData, match="not a backup"):
        decrypted(file)


def test_another_format_is_refused_by_name() -> None:
    file = bytearray(encrypted(b""))
    file[len(b"haravan-tagger backup\n")] = 2

    with pytest.raises(MalformedData, match="format 2; this program knows the format 1"):
        decrypted(bytes(file))


def test_a_key_costs_what_rfc_9106_recommends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "MEMORY_KIB", SHIPPED_MEMORY_KIB)
    file = encrypted(b"content")
    header, chunk = file[: HEADER.size], file[HEADER.size :]

    derived = hash_secret_raw(
        SECRET.value,
        header[-16:],
        time_cost=3,
        memory_cost=64 * 1024,
        parallelism=4,
        hash_len=32,
        type=Type.ID,
    )  # the second option of its section 4
    key = HKDF(SHA256(), length=32, salt=None, info=header).derive(derived)

    assert AESGCM(key).decrypt(bytes(11) + b"\1", chunk, None) == b"content"


def test_a_secret_is_not_shown() -> None:
    assert "horse" not in repr(SECRET)
