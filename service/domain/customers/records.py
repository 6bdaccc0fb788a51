"""Parsing of customer JSON, from either API dialect or a webhook body, into a `Customer`.

A fast typed decoder handles objects that match the documentation. A lenient parser handles all others.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, UnsetType

from service.domain.customers.customer import MAX_ID, Customer, digest, parse_customer_id
from service.domain.customers.money import exact_decimal, to_ten_thousandths
from service.domain.customers.tags import parse_tags
from service.errors import MalformedData


class CustomerRecord(msgspec.Struct, frozen=True):
    """A parsed customer and the visible keys that were absent from its JSON.

    A missing key is not an empty value: a rule that reads it must not be evaluated.
    """

    customer: Customer
    missing_keys: frozenset[str]

    @property
    def digest(self) -> str | None:
        """The digest of all visible fields, or None if a key is missing."""
        return digest(self.customer) if not self.missing_keys else None


def parse_record(source: bytes | memoryview | msgspec.Raw) -> CustomerRecord:
    """Parse one customer object; raises MalformedData, which names the field and never its value."""
    record = parse_typed_record(source)
    if record is not None:
        return record
    try:
        body = _LENIENT.decode(source)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedData("the record is not a JSON object") from exc
    return record_from_mapping(body)


def parse_typed_record(source: bytes | memoryview | msgspec.Raw) -> CustomerRecord | None:
    """Parse an object that has every visible key with its documented type; None for any other object."""
    try:
        fields = _TYPED.decode(source)
        return CustomerRecord(_customer(fields), _NO_KEYS) if fields.customer is UNSET else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, MalformedData):
        return None


def record_from_mapping(body: Mapping[str, object]) -> CustomerRecord:
    """Convert a decoded object, with fractions as Decimal or float; raises MalformedData as `parse_record` does.

    Numbers and booleans may be texts, texts may be numbers, and an empty text is an empty value.
    """
    source = {"id": None, **body}
    values = {key: normalize(source[key]) for key, normalize in _NORMALIZERS.items() if key in source}
    try:
        fields = msgspec.convert(values, _Fields)
    except msgspec.ValidationError as exc:
        raise MalformedData(f"the record cannot be read: {exc}") from exc
    return CustomerRecord(_customer(fields), RECORD_KEYS - body.keys())


Integer = Annotated[int, msgspec.Meta(ge=-MAX_ID, le=MAX_ID)]


class _Address(msgspec.Struct):
    province: str | None = None
    province_code: str | None = None
    district: str | None = None
    ward: str | None = None


class _Fields(msgspec.Struct, kw_only=True):
    """The keys of a customer object with their documented types."""

    id: Annotated[int, msgspec.Meta(gt=0, le=MAX_ID)]
    updated_at: datetime | None = None
    total_spent: Decimal | None = None
    orders_count: Integer | None = None
    tags: str | None = None
    created_at: datetime | None = None
    last_order_date: datetime | None = None
    birthday: datetime | None = None
    gender: Integer | None = None
    state: str | None = None
    accepts_marketing: bool | None = None
    verified_email: bool | None = None
    group_name: str | None = None
    default_address: _Address | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    note: str | None = None
    customer: msgspec.Raw | UnsetType = UNSET  # present: the object is an envelope around a customer


_NOT_VISIBLE: Final = frozenset({"id", "updated_at", "customer"})
RECORD_KEYS: Final = frozenset(_Fields.__struct_fields__) - _NOT_VISIBLE  # keys that rules can see
_NO_KEYS: Final[frozenset[str]] = frozenset()
_NO_ADDRESS: Final = _Address()


def _customer(fields: _Fields) -> Customer:
    """Build a customer; raises MalformedData if `total_spent` is not an amount."""
    address = fields.default_address or _NO_ADDRESS
    return Customer(
        fields.id,
        _ms(fields.updated_at),
        _ten_thousandths(fields.total_spent),
        fields.orders_count,
        _tags(fields.tags or ""),
        _ms(fields.created_at),
        _ms(fields.last_order_date),
        _ms(fields.birthday),
        fields.gender,
        _casefolded(fields.state),
        fields.accepts_marketing,
        fields.verified_email,
        _clean(fields.group_name),
        _clean(address.province),
        _clean(address.province_code),
        _clean(address.district),
        _clean(address.ward),
        _clean(fields.first_name),
        _clean(fields.last_name),
        _clean(fields.email),
        _clean(fields.phone),
        _clean(fields.note),
    )


def _ten_thousandths(spent: Decimal | None) -> int | None:
    try:
        return None if spent is None else to_ten_thousandths(spent)
    except ValueError as exc:
        raise MalformedData("'total_spent' is not an amount that fits") from exc


def _clean(text: str | None) -> str | None:
    if not text:
        return None
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.strip() or None


def _casefolded(text: str | None) -> str | None:
    clean = _clean(text)
    return clean and clean.casefold()


def _ms(time: datetime | None) -> int | None:
    if time is None:
        return None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


@lru_cache(maxsize=4096)  # most customers have one of a few lists of tags
def _tags(text: str) -> tuple[str, ...]:
    return parse_tags(text)


# A normalizer turns a value of an older dialect into the documented type. It returns every other value unchanged:
# msgspec then refuses it and names the field.


def _unchanged(value: object) -> object:
    return value


def _blank_to_none(value: object) -> object:
    return None if value == "" else value


def _text(value: object) -> object:
    return str(value) if isinstance(value, int | Decimal | float) else value


def _flag(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _count(value: object) -> object:
    """A number or its text; the fraction is cut off."""
    if not isinstance(value, float | Decimal | str):
        return value
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return _blank_to_none(value)
    return int(number) if number.is_finite() and -MAX_ID <= number <= MAX_ID else value


def _timestamp(value: object) -> object:
    """The standard library accepts more date formats than msgspec, such as a date without a time."""
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return _blank_to_none(value)


def _address(value: object) -> object:
    return {key: _text(field) for key, field in value.items()} if isinstance(value, dict) else None


_NORMALIZERS: Final[Mapping[str, Callable[[object], object]]] = {
    "id": parse_customer_id,
    "tags": _unchanged,
    "total_spent": _blank_to_none,
    "default_address": _address,
    **dict.fromkeys(("orders_count", "gender"), _count),
    **dict.fromkeys(("updated_at", "created_at", "last_order_date", "birthday"), _timestamp),
    **dict.fromkeys(("accepts_marketing", "verified_email"), _flag),
    **dict.fromkeys(("state", "group_name", "first_name", "last_name", "email", "phone", "note"), _text),
}
_LENIENT: Final = msgspec.json.Decoder(dict[str, object], float_hook=exact_decimal)
_TYPED: Final[msgspec.json.Decoder[_Fields]] = msgspec.json.Decoder(
    msgspec.defstruct(
        "_Complete",
        [(field.name, field.type) for field in msgspec.structs.fields(_Fields) if field.name in RECORD_KEYS],
        bases=(_Fields,),
        kw_only=True,
    )
)
