"""A customer's JSON, from either API dialect or a webhook's body, as a `Customer`.

Two ways lead to one builder: a typed decoder for objects that are as documented, and a lenient reading for all others.
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
    """A customer as read, and the visible keys that the record did not have at all.

    A missing key is not an empty value: a rule that reads it must not be evaluated.
    """

    customer: Customer
    missing_keys: frozenset[str]

    @property
    def digest(self) -> str | None:
        """The digest of all visible fields; None if a key is missing."""
        return digest(self.customer) if not self.missing_keys else None


def parse_record(source: bytes | memoryview | msgspec.Raw) -> CustomerRecord:
    """Read one customer object; raises Unreadable, which names the field and never its value."""
    record = parse_typed_record(source)
    if record is not None:
        return record
    try:
        body = _LENIENT.decode(source)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedData("the record is not a JSON object") from exc
    return record_from_mapping(body)


def parse_typed_record(source: bytes | memoryview | msgspec.Raw) -> CustomerRecord | None:
    """Read an object that has every visible key, each with its documented type; None for any other."""
    try:
        fields = _TYPED.decode(source)
        return CustomerRecord(_customer(fields), _NO_KEYS) if fields.customer is UNSET else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, MalformedData):
        return None


def record_from_mapping(body: Mapping[str, object]) -> CustomerRecord:
    """Read an object that is already decoded, its fractions as Decimal or float; raises Unreadable as `read_record` does.

    Numbers and flags may be texts, texts may be numbers, and an empty text is an empty value.
    """
    known = {"id": None, **body}
    values = {key: normalize(known[key]) for key, normalize in _NORMALIZERS.items() if key in known}
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
    customer: msgspec.Raw | UnsetType = UNSET  # the object is an envelope around a customer


RECORD_KEYS: Final = frozenset(_Fields.__struct_fields__) - {
    "id",
    "updated_at",
    "customer",
}  # of a record: rules can see these
_NO_KEYS: Final[frozenset[str]] = frozenset()
_NO_ADDRESS: Final = _Address()


def _customer(fields: _Fields) -> Customer:
    """Build the customer of either reading; raises Unreadable for an amount that is none."""
    address = fields.default_address or _NO_ADDRESS
    return Customer(
        fields.id,
        _ms(fields.updated_at),
        _amount(fields.total_spent),
        fields.orders_count,
        _split(fields.tags or ""),
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


def _amount(spent: Decimal | None) -> int | None:
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


def _ms(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


@lru_cache(maxsize=4096)  # most customers have one of a few lists of tags
def _split(text: str) -> tuple[str, ...]:
    return parse_tags(text)


# A normalizer turns what an old or odd dialect sends into what the struct takes. It leaves everything else as it is:
# the conversion refuses that and names the field.


def _as_is(value: object) -> object:
    return value


def _unless_blank(value: object) -> object:
    return None if value == "" else value


def _text(value: object) -> object:
    return str(value) if isinstance(value, int | Decimal | float) else value


def _flag(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _count(value: object) -> object:
    """A number or its text; a fraction is cut off."""
    if not isinstance(value, float | Decimal | str):
        return value
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return _unless_blank(value)
    return int(number) if number.is_finite() and -MAX_ID <= number <= MAX_ID else value


def _moment(value: object) -> object:
    """The standard library reads more forms of a date than msgspec does, such as a day alone."""
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return _unless_blank(value)


def _address(value: object) -> object:
    return {key: _text(part) for key, part in value.items()} if isinstance(value, dict) else None


_NORMALIZERS: Final[Mapping[str, Callable[[object], object]]] = {
    "id": parse_customer_id,
    "tags": _as_is,
    "total_spent": _unless_blank,
    "default_address": _address,
    **dict.fromkeys(("orders_count", "gender"), _count),
    **dict.fromkeys(("updated_at", "created_at", "last_order_date", "birthday"), _moment),
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
