"""Snapshots as they are stored: what rules mostly read in clear, the personal part sealed with the shop's data key.

E-mail, phone and note are only kept while a live rule reads them. The personal part of one snapshot is one sealed value,
which is opened only if a rule reads it or a person asks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from service.domain.customers import (
    Customer,
    MissingField,
    MissingReason,
    decode_snapshot,
    digest,
    encode_snapshot,
)
from service.errors import MalformedData
from service.store.encryption import ShopCipher

PERSONAL_FIELDS: Final = ("birthday_ms", "first_name", "last_name", "email", "phone", "note")
OPTIONAL_FIELDS: Final = ("email", "phone", "note")  # the record keys have the same names
PERSONAL_KEYS: Final = frozenset({"birthday", "first_name", "last_name", *OPTIONAL_FIELDS})  # of a record

_MARKER: Final = 0xC1  # no msgpack value begins with it
_HEADER: Final = struct.Struct(
    ">BBI"
)  # marker, a bit for each optional field that is kept, length of the facts
_NOTHING: Final = dict.fromkeys(PERSONAL_FIELDS)


class Snapshot(NamedTuple):
    """A stored snapshot. `facts` lacks the personal fields; `kept` are the optional fields that it keeps."""

    facts: Customer
    sealed: bytes = b""  # empty if the customer has no personal field
    kept: frozenset[str] = frozenset()

    def open(self, cipher: ShopCipher, *, needed: frozenset[str] = frozenset()) -> Customer:
        """The customer with its personal fields. Raises MalformedData.

        An optional field of `needed` that the snapshot does not keep is missing, so rules that read it decide nothing.
        """
        customer = self._open(cipher)
        if needed <= self.kept:
            return customer
        lacking = sorted(needed - self.kept - {field.key for field in customer.missing})
        not_stored = (MissingField(key, MissingReason.NOT_STORED) for key in lacking)
        return msgspec.structs.replace(customer, missing=(*customer.missing, *not_stored))

    def _open(self, cipher: ShopCipher) -> Customer:
        if not self.sealed:
            return self.facts
        values = _DECODE(cipher.open(self.sealed, field=_field(self.facts.id)))
        return msgspec.structs.replace(self.facts, **dict(zip(PERSONAL_FIELDS, values, strict=True)))


def kept_fields(record_keys: Iterable[str]) -> frozenset[str]:
    """The optional fields that snapshots keep if live rules read these keys of a record."""
    return frozenset(OPTIONAL_FIELDS).intersection(record_keys)


def seal_snapshot(customer: Customer, cipher: ShopCipher, *, kept: frozenset[str]) -> bytes:
    """Encode a snapshot. Without personal data it is the facts alone. Raises MalformedData if the shop has no data key."""
    personal = [
        None if name in _OPTIONAL and name not in kept else getattr(customer, name)
        for name in PERSONAL_FIELDS
    ]
    facts = encode_snapshot(msgspec.structs.replace(customer, **_NOTHING))
    sealed = b""
    if any(value is not None for value in personal):
        sealed = cipher.seal(_ENCODE(personal), field=_field(customer.id))
    if not sealed and not kept:
        return facts
    return _HEADER.pack(_MARKER, _to_bits(kept), len(facts)) + facts + sealed


def read_snapshot(stored: bytes) -> Snapshot:
    """Decode a snapshot; its personal part stays sealed. Raises MalformedData."""
    if not stored.startswith(_MARKER_BYTE):
        return Snapshot(decode_snapshot(stored))
    try:
        _, bits, length = _HEADER.unpack_from(stored)
    except struct.error as exc:
        raise MalformedData("the snapshot cannot be read; fetch the customer again") from exc
    end = _HEADER.size + length
    return Snapshot(decode_snapshot(stored[_HEADER.size : end]), stored[end:], _KEPT[bits % len(_KEPT)])


def is_current(stored: bytes, customer: Customer, cipher: ShopCipher, *, kept: frozenset[str]) -> bool:
    """Whether the snapshot has the fields that it should keep, as they are in this record. False if it cannot be read."""
    try:
        snapshot = read_snapshot(stored)
        dropped = dict.fromkeys(_OPTIONAL - kept)
        return snapshot.kept == kept and digest(snapshot.open(cipher)) == digest(
            msgspec.structs.replace(customer, **dropped)
        )
    except MalformedData:
        return False


def drop_fields(stored: bytes, cipher: ShopCipher, *, kept: frozenset[str]) -> bytes | None:
    """The same snapshot without the optional fields that are not in `kept`; None if it has none of them.

    A snapshot that cannot be read has none either: nobody can read them, and the next reading replaces it.
    """
    try:
        snapshot = read_snapshot(stored)
        if snapshot.kept <= kept:
            return None
        return seal_snapshot(snapshot.open(cipher), cipher, kept=snapshot.kept & kept)
    except MalformedData:
        return None


def _field(customer_id: int) -> str:
    return f"snapshots/{customer_id}"


def _to_bits(kept: frozenset[str]) -> int:
    return sum(1 << index for index, name in enumerate(OPTIONAL_FIELDS) if name in kept)


_MARKER_BYTE: Final = bytes([_MARKER])
_OPTIONAL: Final = frozenset(OPTIONAL_FIELDS)
_KEPT: Final = tuple(
    frozenset(name for index, name in enumerate(OPTIONAL_FIELDS) if bits >> index & 1)
    for bits in range(1 << len(OPTIONAL_FIELDS))
)
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(
    tuple[int | None, str | None, str | None, str | None, str | None, str | None]
).decode
