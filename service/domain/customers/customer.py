"""A customer with the fields that rules can see, and its stored snapshot."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple, NewType

import msgspec

from service.domain.customers.fields import MAX_ID
from service.domain.customers.tags import fold
from service.errors import MalformedData

OrgId = NewType("OrgId", str)
CustomerId = NewType("CustomerId", int)

MAX_CACHED_TAGS: Final = 64  # more tags would fill the cache with long tuples


class MissingReason(StrEnum):
    """Why a record has no value of a field."""

    ABSENT = "absent"  # its JSON has no such key
    UNREADABLE = "unreadable"  # what it has is no value of this field
    TOO_LARGE = "too_large"
    NOT_STORED = "not_stored"  # only of snapshots: no live rule reads it


class MissingField(NamedTuple):
    """A field that a record lacks, by its key in the record or in the record's address."""

    key: str
    reason: MissingReason


class Customer(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """The fields that rules can see. A snapshot is this struct as msgpack, about 100 bytes.

    Money is a whole number of ten-thousandths (see `money`). Times are milliseconds since 1970, UTC.
    Texts are NFC without outer spaces; an empty text is None. A missing field is None, too, and `missing` names it: a
    rule that reads it decides nothing for this customer.
    """

    id: int
    updated_ms: int | None = None
    total_spent: int | None = None
    orders_count: int | None = None
    tags: tuple[str, ...] = ()
    created_ms: int | None = None
    last_order_ms: int | None = None
    birthday_ms: int | None = None
    gender: int | None = None
    state: str | None = None
    accepts_marketing: bool | None = None
    verified_email: bool | None = None
    group: str | None = None
    province: str | None = None
    province_code: str | None = None
    district: str | None = None
    ward: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    note: str | None = None
    missing: tuple[MissingField, ...] = ()  # by key


def parse_customer_id(value: object) -> CustomerId:
    """Parse a positive 64-bit id, a number or its decimal text; raises MalformedData."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_ID:
        raise MalformedData("'id' is missing or is not a positive 64-bit number")
    return CustomerId(value)


def digest(customer: Customer) -> str:
    """Hash all visible fields. Equal customers have equal digests, in either API dialect.

    `updated_ms` is left out, because our own writes change it. The order and the spelling of tags do not matter.
    """
    tags = customer.tags
    keys = _sorted_keys(tags) if len(tags) <= MAX_CACHED_TAGS else _sorted_keys.__wrapped__(tags)
    comparable = msgspec.structs.replace(customer, updated_ms=None, tags=keys)
    return hashlib.blake2b(_ENCODER.encode(comparable), digest_size=12).hexdigest()


@lru_cache(maxsize=4096)  # most customers have one of a few sets of tags
def _sorted_keys(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(map(fold, tags)))


def encode_snapshot(customer: Customer) -> bytes:
    """Encode the snapshot of a customer (msgpack)."""
    return _ENCODER.encode(customer)


def decode_snapshot(snapshot: bytes) -> Customer:
    """Decode a snapshot; raises MalformedData."""
    try:
        return _DECODER.decode(snapshot)
    except msgspec.MsgspecError as exc:
        raise MalformedData("the snapshot cannot be read; fetch the customer again") from exc


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Customer)
