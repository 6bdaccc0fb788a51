"""Reading a customer's bytes: quickly where the object is as documented, patiently where it is not."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from service.domain.customers import MAX_ID, Customer
from service.domain.records import VISIBLE_KEYS, Record, decimal, minor, record_of
from service.domain.tags import split_tags
from service.errors import Unreadable

_DECODER: Final = msgspec.json.Decoder(dict[str, object], float_hook=decimal)


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
        return Record(_customer(_WHOLE.decode(source), currency), _NONE)
    except msgspec.ValidationError:  # not all of it is there, or not as documented
        pass
    except _UNREADABLE:
        return None
    try:
        told = _TOLD.decode(source)
        return Record(_customer(told, currency), _lacking(told))
    except _UNREADABLE:
        return None


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


_UNREADABLE: Final = (
    msgspec.MsgspecError,
    UnicodeDecodeError,
    RecursionError,
    ArithmeticError,
    Unreadable,
    _Otherwise,
)
_TOLD: Final = msgspec.json.Decoder(_Customer)
_WHOLE: Final[msgspec.json.Decoder[_Customer]] = msgspec.json.Decoder(
    msgspec.defstruct(
        "_Whole",
        [(each.name, each.type) for each in msgspec.structs.fields(_Customer) if each.name in VISIBLE_KEYS],
        bases=(_Customer,),
        kw_only=True,
    )
)  # of whom every visible key is told: nothing need be asked one by one
_NOWHERE: Final = _Place()


def _customer(told: _Customer, currency: str) -> Customer:
    """The same as `record_of` has, of an object whose values have the documented types."""
    spent = told.total_spent
    if not 0 < told.id <= MAX_ID or told.customer is not UNSET:
        raise _Otherwise
    if spent and not (spent.is_finite() and _fits(spent)):
        raise _Otherwise
    if not (_fits(told.orders_count or 0) and _fits(told.gender or 0)):
        raise _Otherwise
    place = told.default_address or _NOWHERE
    return Customer(
        told.id,
        _ms(told.updated_at),
        None if spent is None or spent is UNSET else minor(spent, currency),
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


def _fits(number: int | Decimal) -> bool:
    return -MAX_ID <= number <= MAX_ID


def _lacking(told: _Customer) -> frozenset[str]:
    missing = [name for name in VISIBLE_KEYS if getattr(told, name) is UNSET]
    return frozenset(missing) if missing else _NONE


_NONE: Final[frozenset[str]] = frozenset()


def _clean(text: Told) -> str | None:
    if not text:
        return None
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.strip() or None


def _casefolded(text: Told) -> str | None:
    clean = _clean(text)
    return clean and clean.casefold()


def _ms(moment: Moment) -> int | None:
    if not moment:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


@lru_cache(maxsize=4096)  # the same few tags come again and again
def _split(text: str) -> tuple[str, ...]:
    return split_tags(text)
