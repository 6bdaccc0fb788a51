"""Parsing of customer JSON, from either API dialect or a webhook body, into a `Customer`.

A fast typed decoder handles objects that match the documentation. A lenient parser handles all others, field by field:
a field that cannot be read is missing, and the others are not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.domain.customers.customer import (
    Customer,
    MissingField,
    MissingReason,
    digest,
    parse_customer_id,
)
from service.domain.customers.fields import (
    MAX_ID,
    MAX_TEXT,
    FieldTooLarge,
    clean,
    parse_amount,
    parse_count,
    parse_flag,
    parse_state,
    parse_tag_string,
    parse_text,
    parse_time,
    split_tags,
    to_ms,
)
from service.domain.customers.money import exact_decimal
from service.errors import MalformedData

Parser = Callable[[object], Any]


class CustomerRecord(msgspec.Struct, frozen=True):
    """A parsed customer."""

    customer: Customer

    @property
    def missing_keys(self) -> frozenset[str]:
        """The keys of the fields that the record lacks."""
        return frozenset(field.key for field in self.customer.missing)

    @property
    def digest(self) -> str | None:
        """The digest of all visible fields, or None if one is missing."""
        return digest(self.customer) if not self.customer.missing else None


def parse_record(source: bytes | memoryview | msgspec.Raw) -> CustomerRecord:
    """Parse one customer object. Raises MalformedData, and nothing else, if it is no JSON object with an id."""
    record = parse_typed_record(source)
    if record is not None:
        return record
    try:
        body: object = _LENIENT.decode(source)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        body = decode_leniently(source)
    if not isinstance(body, dict):
        raise MalformedData("the record is not a JSON object")
    try:
        return record_from_mapping(body)
    except MalformedData:
        raise
    except Exception as exc:  # a bug of ours concerns this record, not the batch
        raise MalformedData(f"the record cannot be read: {type(exc).__name__}") from exc


def parse_typed_record(source: bytes | memoryview | msgspec.Raw) -> CustomerRecord | None:
    """Parse an object that has every visible key with its documented type; None for any other object."""
    try:
        fields = _TYPED.decode(source)
        return CustomerRecord(_customer(fields)) if fields.customer is UNSET else None
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        return None


def decode_leniently(source: bytes | memoryview | msgspec.Raw) -> object:
    """Decode JSON that strict decoders refuse; raises MalformedData.

    It may have a byte-order mark, half a character (`\\ud800`), control characters, NaN, or a number of any length, be
    UTF-16, or be followed by other bytes. Numbers that are not small and whole are Decimals. Bytes that are no UTF-8
    become halves of characters, too.
    """
    data = bytes(source)
    try:
        text = data.decode(json.detect_encoding(data), "surrogateescape").lstrip(_BLANKS)
        content, _ = _PATIENT.raw_decode(text)
        return content
    except (ValueError, RecursionError) as exc:
        raise MalformedData("the record is not a JSON object") from exc


def record_from_mapping(body: Mapping[str, object]) -> CustomerRecord:
    """Convert a decoded object, with fractions as Decimal or float; raises MalformedData if it has no id.

    Numbers and booleans may be texts, texts may be numbers, and an empty text is an empty value.
    """
    missing: list[MissingField] = []
    fields: dict[str, Any] = {
        "id": parse_customer_id(body.get("id")),
        "updated_ms": _parse("updated_at", parse_time, body, []),
        **_parse_fields(_PARSERS, body, missing),
    }
    address = body.get(ADDRESS, MissingReason.ABSENT)
    if isinstance(address, dict) and address:
        fields.update(_parse_fields(_ADDRESS_PARSERS, address, missing))
    elif address is MissingReason.ABSENT:
        missing.append(MissingField(ADDRESS, MissingReason.ABSENT))
    elif address not in (None, "", [], {}):
        missing.append(MissingField(ADDRESS, MissingReason.UNREADABLE))
    return CustomerRecord(Customer(**fields, missing=tuple(sorted(missing))))


def _parse_fields(
    parsers: Mapping[str, tuple[str, Parser]], body: Mapping[str, object], missing: list[MissingField]
) -> dict[str, Any]:
    return {name: _parse(key, parse, body, missing) for key, (name, parse) in parsers.items()}


def _parse(key: str, parse: Parser, body: Mapping[str, object], missing: list[MissingField]) -> Any:
    """The value of a key. If there is none, note why; the field is then empty."""
    if key not in body:
        reason = MissingReason.ABSENT
    else:
        try:
            return parse(body[key])
        except FieldTooLarge:
            reason = MissingReason.TOO_LARGE
        except (ValueError, ArithmeticError):
            reason = MissingReason.UNREADABLE
    missing.append(MissingField(key, reason))
    return () if key == "tags" else None


Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Count = Annotated[int, Meta(ge=0, le=MAX_ID)]
ADDRESS: Final = "default_address"


class _Address(msgspec.Struct):
    province: Text | None
    province_code: Text | None
    district: Text | None
    ward: Text | None


class _Fields(msgspec.Struct, kw_only=True):
    """An object with every key that rules can see, with their documented types."""

    id: Annotated[int, Meta(gt=0, le=MAX_ID)]
    updated_at: datetime | None = None
    total_spent: Any  # a Decimal would also accept texts such as "1_000"
    orders_count: Count | None
    tags: str | None
    created_at: datetime | None
    last_order_date: datetime | None
    birthday: datetime | None
    gender: Count | None
    state: Text | None
    accepts_marketing: bool | None
    verified_email: bool | None
    group_name: Text | None
    default_address: _Address | None
    first_name: Text | None
    last_name: Text | None
    email: Text | None
    phone: Text | None
    note: Text | None
    customer: msgspec.Raw | UnsetType = UNSET  # present: the object is an envelope around a customer


_NO_ADDRESS: Final = _Address(None, None, None, None)


def _customer(fields: _Fields) -> Customer:
    """Build a customer; raises ValueError if a value is too large."""
    address, state = fields.default_address or _NO_ADDRESS, clean(fields.state)
    return Customer(
        fields.id,
        to_ms(fields.updated_at),
        parse_amount(fields.total_spent),
        fields.orders_count,
        split_tags(fields.tags or ""),
        to_ms(fields.created_at),
        to_ms(fields.last_order_date),
        to_ms(fields.birthday),
        fields.gender,
        state and state.casefold(),
        fields.accepts_marketing,
        fields.verified_email,
        clean(fields.group_name),
        clean(address.province),
        clean(address.province_code),
        clean(address.district),
        clean(address.ward),
        clean(fields.first_name),
        clean(fields.last_name),
        clean(fields.email),
        clean(fields.phone),
        clean(fields.note),
    )


# Key -> the attribute of `Customer`, and the parser of its value.
_PARSERS: Final[Mapping[str, tuple[str, Parser]]] = {
    "total_spent": ("total_spent", parse_amount),
    "orders_count": ("orders_count", parse_count),
    "tags": ("tags", parse_tag_string),
    "created_at": ("created_ms", parse_time),
    "last_order_date": ("last_order_ms", parse_time),
    "birthday": ("birthday_ms", parse_time),
    "gender": ("gender", parse_count),
    "state": ("state", parse_state),
    "accepts_marketing": ("accepts_marketing", parse_flag),
    "verified_email": ("verified_email", parse_flag),
    "group_name": ("group", parse_text),
    **{key: (key, parse_text) for key in ("first_name", "last_name", "email", "phone", "note")},
}
_ADDRESS_PARSERS: Final[Mapping[str, tuple[str, Parser]]] = {
    key: (key, parse_text) for key in _Address.__struct_fields__
}
RECORD_KEYS: Final = frozenset({*_PARSERS, ADDRESS})  # keys that rules can see
ADDRESS_KEYS: Final = frozenset(_ADDRESS_PARSERS)
_LENIENT: Final = msgspec.json.Decoder(dict[str, object], float_hook=exact_decimal)
_BLANKS: Final = " \t\r\n\ufeff\x00"
_PATIENT: Final = json.JSONDecoder(
    parse_float=exact_decimal,
    parse_int=lambda digits: int(digits) if len(digits) <= 20 else exact_decimal(digits),
    parse_constant=exact_decimal,
    strict=False,
)
_TYPED: Final = msgspec.json.Decoder(_Fields, float_hook=exact_decimal)
