"""A customer as the rules can see one, and what is stored of it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final, NewType

import msgspec

from service.domain.customers.tags import fold
from service.errors import MalformedData

OrgId = NewType("OrgId", str)
CustomerId = NewType("CustomerId", int)

MAX_ID: Final = 2**63 - 1


class Customer(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """The fields that rules can see; this is also what a snapshot stores (as msgpack, about 100 bytes).

    Money is a whole number of ten-thousandths (see `money`). Moments are milliseconds since 1970, UTC.
    Texts are NFC without outer spaces; an empty text is None. New fields go to the end: old snapshots
    must stay readable.
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


def parse_customer_id(value: object) -> CustomerId:
    """A positive 64-bit customer id, as a number or as its decimal text; else Unreadable."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_ID:
        raise MalformedData("'id' is missing or is not a positive 64-bit number")
    return CustomerId(value)


def digest(customer: Customer) -> str:
    """The digest of all visible fields: equal for equal customers, whatever dialect they were read from.

    `updated_at` is left out (a write of our own moves it), tags count as a set.
    """
    seen = msgspec.structs.replace(customer, updated_ms=None, tags=_as_set(customer.tags))
    return hashlib.blake2b(_PACKER.encode(seen), digest_size=12).hexdigest()


@lru_cache(maxsize=4096)  # the same few tags come again and again
def _as_set(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(map(fold, tags)))


def encode_snapshot(customer: Customer) -> bytes:
    """The snapshot's bytes."""
    return _PACKER.encode(customer)


def decode_snapshot(snapshot: bytes) -> Customer:
    """The customer of a snapshot; raises Unreadable."""
    try:
        return _UNPACKER.decode(snapshot)
    except msgspec.MsgspecError as exc:
        raise MalformedData("the snapshot cannot be read; fetch the customer again") from exc


_PACKER = msgspec.msgpack.Encoder()
_UNPACKER = msgspec.msgpack.Decoder(Customer)
