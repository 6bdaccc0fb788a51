"""Reading a customer: from either dialect's record or a webhook's body, quickly where it is as documented."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, cast

import msgspec
from msgspec import UNSET, UnsetType

from service.domain.customers import MAX_ID, MINOR_DIGITS, Customer, digest, read_id
from service.domain.tags import split_tags
from service.errors import Unreadable

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
    quick = read_quickly(source, currency=currency)
    if quick is not None:
        return quick
    try:
        body = _DECODER.decode(source)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Unreadable("the record is not a JSON object") from exc
    return record_of(body, currency=currency)


def read_quickly(source: bytes | memoryview | msgspec.Raw, *, currency: str) -> Record | None:
    """The same for an object whose values have the documented types, at a quarter of the cost; else None."""
    try:
        return _quick(_TOLD.decode(source), currency)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError, _Otherwise):
        return None


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


_DECODER: Final = msgspec.json.Decoder(dict[str, object], float_hook=Decimal)  # money must not pass a float

Told = str | None | UnsetType
Moment = datetime | None | UnsetType


class _Place(msgspec.Struct):
    province: str | None = None
    province_code: str | None = None
    district: str | None = None
    ward: str | None = None


class _Customer(msgspec.Struct):
    """The object as both documents type it; whatever is otherwise is read the slow way."""

    id: int
    updated_at: Moment = UNSET
    total_spent: Decimal | UnsetType | None = UNSET
    orders_count: int | UnsetType | None = UNSET
    tags: Told = UNSET
    created_at: Moment = UNSET
    last_order_date: Moment = UNSET
    birthday: Moment = UNSET
    gender: int | UnsetType | None = UNSET
    state: Told = UNSET
    accepts_marketing: bool | UnsetType | None = UNSET
    verified_email: bool | UnsetType | None = UNSET
    group_name: Told = UNSET
    default_address: _Place | UnsetType | None = UNSET
    first_name: Told = UNSET
    last_name: Told = UNSET
    email: Told = UNSET
    phone: Told = UNSET
    note: Told = UNSET
    customer: UnsetType | msgspec.Raw | None = UNSET  # an envelope: for the slow way


class _Otherwise(Exception):  # a signal, not an error
    """Not what the quick way can read."""


_TOLD: Final = msgspec.json.Decoder(_Customer)
_NOWHERE: Final = _Place()


def _quick(told: _Customer, currency: str) -> Record:
    """The same as `record_of`, for an object whose values have the documented types."""
    spent = told.total_spent
    if not 0 < told.id <= MAX_ID or told.customer is not UNSET:
        raise _Otherwise
    if spent and not (spent.is_finite() and -MAX_ID <= spent <= MAX_ID):
        raise _Otherwise
    place = told.default_address or _NOWHERE
    customer = Customer(
        told.id,
        _ms(told.updated_at),
        None if spent is None or spent is UNSET else _minor(spent, currency),
        told.orders_count or (0 if told.orders_count == 0 else None),
        _split(told.tags or ""),
        _ms(told.created_at),
        _ms(told.last_order_date),
        _ms(told.birthday),
        told.gender or (0 if told.gender == 0 else None),
        _casefolded(told.state),
        told.accepts_marketing or (False if told.accepts_marketing is False else None),
        told.verified_email or (False if told.verified_email is False else None),
        _clean(told.group_name),
        _clean(place.province),
        _clean(place.province_code),
        _clean(place.district),
        _clean(place.ward),
        _clean(told.first_name),
        _clean(told.last_name),
        _clean(told.email),
        _clean(told.phone),
        _clean(told.note),
    )
    return Record(customer, _lacking(told))


def _lacking(told: _Customer) -> frozenset[str]:
    missing = [name for name in VISIBLE_KEYS if getattr(told, name) is UNSET]
    return frozenset(missing) if missing else _NONE


_NONE: Final[frozenset[str]] = frozenset()


def _clean(text: Told) -> str | None:
    if not text:
        return None
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).strip() or None


def _casefolded(text: Told) -> str | None:
    clean = _clean(text)
    return clean and clean.casefold()


def _ms(moment: Moment) -> int | None:
    if not moment:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _minor(amount: Decimal, currency: str) -> int:
    digits = MINOR_DIGITS.get(currency, 2)
    return int((amount.scaleb(digits) if digits else amount).to_integral_value(rounding=ROUND_HALF_EVEN))


@lru_cache(maxsize=4096)  # the same few tags come again and again
def _split(text: str) -> tuple[str, ...]:
    return split_tags(text)


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
    return _minor(number, currency)


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
