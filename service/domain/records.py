"""A customer as read: the record of either dialect, or a webhook's body, value by value."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Final, cast

import msgspec

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


class Record(msgspec.Struct, frozen=True):
    """A customer as read, and which of the visible keys the record did not have at all.

    A missing key is not an empty value: a rule that reads it must not be evaluated.
    """

    customer: Customer
    missing: frozenset[str]

    @property
    def digest(self) -> str | None:
        """The digest of all visible fields, or None when some were not there to be seen."""
        return digest(self.customer) if not self.missing else None


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
    return None if number is None else minor(number, currency)


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


def minor(amount: Decimal, currency: str) -> int:
    """An amount in the currency's smallest unit; raises Unreadable where no snapshot could hold it."""
    digits = MINOR_DIGITS.get(currency, 2)
    scaled = amount.scaleb(digits) if digits else amount
    whole = int(scaled)
    if whole != scaled:
        whole = int(scaled.to_integral_value(rounding=ROUND_HALF_EVEN))
    if abs(whole) > MAX_ID:
        raise _wrong("total_spent", "a number that fits")
    return whole


def decimal(text: str) -> Decimal:
    """A JSON number with a fraction or an exponent, exact: money must not pass a float. NaN beyond what Decimal knows."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")
