"""A customer as the rules can see one, read from either dialect's record or a webhook's body."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Final, NewType, cast

import msgspec

from service.domain.tags import fold, split_tags
from service.errors import Unreadable

OrgId = NewType("OrgId", str)
CustomerId = NewType("CustomerId", int)

MAX_ID: Final = 2**63 - 1
MINOR_DIGITS: Final[Mapping[str, int]] = {"VND": 0, "JPY": 0, "KRW": 0}  # every other currency has two


class Customer(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """The fields that rules can see; this is also what a snapshot stores (as msgpack, about 100 bytes).

    Money is a whole number of the currency's smallest unit. Moments are milliseconds since 1970, UTC.
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


# JSON key of a record -> field of Customer, where the names differ; addresses are read apart.
VISIBLE_KEYS: Final = frozenset(
    {
        "total_spent",
        "orders_count",
        "tags",
        "created_at",
        "last_order_date",
        "birthday",
        "gender",
        "state",
        "accepts_marketing",
        "verified_email",
        "group_name",
        "default_address",
        "first_name",
        "last_name",
        "email",
        "phone",
        "note",
    }
)


@dataclass(frozen=True, slots=True)
class Record:
    """A customer as read, and which of the visible keys the record did not have at all.

    A missing key is not an empty value: a rule that reads it must not be evaluated.
    """

    customer: Customer
    missing: frozenset[str]

    @property
    def digest(self) -> str | None:
        """The digest of all visible fields, or None when some were not there to be seen."""
        return digest(self.customer) if not self.missing else None


def read_record(source: bytes | memoryview | msgspec.Raw, *, currency: str) -> Record:
    """Read one customer object; raises Unreadable, naming the field and never its value."""
    try:
        body = _DECODER.decode(source)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Unreadable("the record is not a JSON object") from exc
    return record_of(body, currency=currency)


def record_of(body: Mapping[str, object], *, currency: str) -> Record:
    """The same from an object that is already decoded (numbers with a fraction as Decimal or float)."""
    address = body.get("default_address")
    place: Mapping[str, object] = cast("Mapping[str, object]", address) if isinstance(address, dict) else {}
    customer = Customer(
        id=read_id(body.get("id")),
        updated_ms=_moment(body, "updated_at"),
        total_spent=_money(body, "total_spent", currency),
        orders_count=_count(body, "orders_count"),
        tags=_tags(body),
        created_ms=_moment(body, "created_at"),
        last_order_ms=_moment(body, "last_order_date"),
        birthday_ms=_moment(body, "birthday"),
        gender=_count(body, "gender"),
        state=_folded(body, "state"),
        accepts_marketing=_flag(body, "accepts_marketing"),
        verified_email=_flag(body, "verified_email"),
        group=_text(body, "group_name"),
        province=_text(place, "province"),
        province_code=_text(place, "province_code"),
        district=_text(place, "district"),
        ward=_text(place, "ward"),
        first_name=_text(body, "first_name"),
        last_name=_text(body, "last_name"),
        email=_text(body, "email"),
        phone=_text(body, "phone"),
        note=_text(body, "note"),
    )
    return Record(customer, VISIBLE_KEYS - body.keys())


def read_id(value: object) -> CustomerId:
    """A positive 64-bit customer id, as a number or as its decimal text; else Unreadable."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_ID:
        raise Unreadable("'id' is missing or is not a positive 64-bit number")
    return CustomerId(value)


def digest(customer: Customer) -> str:
    """The digest of all visible fields: equal for equal customers, whatever dialect they were read from.

    `updated_at` is left out (a write of our own moves it), tags count as a set.
    """
    seen = msgspec.structs.replace(customer, updated_ms=None, tags=tuple(sorted(map(fold, customer.tags))))
    return hashlib.blake2b(_PACKER.encode(seen), digest_size=12).hexdigest()


def pack(customer: Customer) -> bytes:
    """The snapshot's bytes."""
    return _PACKER.encode(customer)


def unpack(snapshot: bytes) -> Customer:
    """The customer of a snapshot; raises Unreadable."""
    try:
        return _UNPACKER.decode(snapshot)
    except msgspec.MsgspecError as exc:
        raise Unreadable("the snapshot cannot be read; fetch the customer again") from exc


_DECODER = msgspec.json.Decoder(dict[str, object], float_hook=Decimal)
_PACKER = msgspec.msgpack.Encoder()
_UNPACKER = msgspec.msgpack.Decoder(Customer)


def _wrong(key: str, expected: str) -> Unreadable:
    return Unreadable(f"'{key}' is not {expected}")


def _text(body: Mapping[str, object], key: str) -> str | None:
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, int | Decimal | float):
        value = str(value)
    if not isinstance(value, str):
        raise _wrong(key, "a text")
    return unicodedata.normalize("NFC", value).strip() or None


def _folded(body: Mapping[str, object], key: str) -> str | None:
    value = _text(body, key)
    return None if value is None else value.casefold()


def _tags(body: Mapping[str, object]) -> tuple[str, ...]:
    value = body.get("tags")
    if value is not None and not isinstance(value, str):
        raise _wrong("tags", "a text")
    return split_tags(value)


def _flag(body: Mapping[str, object], key: str) -> bool | None:
    value = body.get(key)
    if value is None or isinstance(value, bool):
        return value
    if value in ("true", "false"):  # the old API writes them as texts
        return value == "true"
    raise _wrong(key, "true or false")


def _number(body: Mapping[str, object], key: str) -> Decimal | None:
    value = body.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise _wrong(key, "a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation as exc:
        raise _wrong(key, "a number") from exc
    if not number.is_finite() or abs(number) > MAX_ID:
        raise _wrong(key, "a number that fits")
    return number


def _count(body: Mapping[str, object], key: str) -> int | None:
    number = _number(body, key)
    return None if number is None else int(number)


def _money(body: Mapping[str, object], key: str, currency: str) -> int | None:
    number = _number(body, key)
    if number is None:
        return None
    minor = number.scaleb(MINOR_DIGITS.get(currency, 2))
    return int(minor.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def _moment(body: Mapping[str, object], key: str) -> int | None:
    value = body.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _wrong(key, "a date and time")
    try:
        moment = datetime.fromisoformat(value)  # takes seven fractional digits and drops what it cannot keep
    except ValueError as exc:
        raise _wrong(key, "a date and time") from exc
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)
