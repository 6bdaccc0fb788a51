"""Conditions, evaluated in the most literal way: dates by the standard library, nothing compiled."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Record:
    """The record of one customer as conditions see it. Moments are in ms, money is in ten-thousandths, None is empty."""

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
    missing: frozenset[str] = frozenset()  # keys of the record, or of its address


def parse_record(record: Mapping[str, Any]) -> Record:
    """Parse the JSON of a complete Omni record (rules.md, The customer record)."""
    address: Mapping[str, Any] = record["default_address"] or {}
    places: dict[str, Any] = {name: address.get(name) for name in ADDRESS_KEYS}
    copied: dict[str, Any] = {name: record[name] for name in COPIED_KEYS}
    return Record(
        total_spent=None if record["total_spent"] is None else money(record["total_spent"]),
        tags=tuple(tag.strip() for tag in (record["tags"] or "").split(",") if tag.strip()),
        created_ms=milliseconds(record["created_at"]),
        last_order_ms=milliseconds(record["last_order_date"]),
        birthday_ms=milliseconds(record["birthday"]),
        group=record["group_name"],
        **places,
        **copied,
    )


ADDRESS_KEYS = ("province", "province_code", "district", "ward")
COPIED_KEYS = (
    "orders_count",
    "gender",
    "state",
    "accepts_marketing",
    "verified_email",
    "first_name",
    "last_name",
    "email",
    "phone",
    "note",
)


def milliseconds(text: str | None) -> int | None:
    if text is None:
        return None
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def fold(text: str) -> str:
    """The text as it is compared: without case, outer spaces and differences of composition."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().casefold())


def local_day(ms: int, zone: str) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(ZoneInfo(zone)).date()


def celebrated(born: date, year: int) -> date:
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def duration_days(text: str) -> int:
    number, unit = text.split()
    return int(number) * {"days": 1, "ngày": 1, "ngay": 1, "weeks": 7, "months": 30, "tháng": 30}[unit]


def money(value: Any) -> int:
    """The ten-thousandths of an amount, by moving the point of its text."""
    whole, _, fraction = f"{Decimal(str(value)):f}".partition(".")
    return int(whole + fraction.ljust(4, "0")[:4])


def matches_condition(
    node: Mapping[str, Any], customer: Record, tags: set[str], own: set[str], doc: Any, today: date
) -> bool:
    """Evaluate one comparison."""
    name, op, value = node["field"], node["op"], node.get("value")
    zone = doc["timezone"]
    if name == "tags":
        return tag_test(op, value, tags, own)
    if name in {"total_spent", "avg_order_value", "orders_count", "age"}:
        return number_test(op, value, number(name, customer, zone, today), name)
    if name in {"last_order_date", "created_at"}:
        ms = customer.last_order_ms if name == "last_order_date" else customer.created_ms
        return date_test(op, value, None if ms is None else local_day(ms, zone), today)
    if name == "birthday":
        ms = customer.birthday_ms
        return birthday_test(op, value, None if ms is None else local_day(ms, zone), today)
    if name in {"accepts_marketing", "verified_email"}:
        return getattr(customer, name) is value
    if name in {"gender", "state", "group", "province", "district", "ward"}:
        return choice_test(op, value, choices(name, customer))
    text = getattr(customer, name)
    return text_test(op, value, None if text is None or not fold(text) else fold(text))


def tag_test(op: str, value: Any, tags: set[str], own: set[str]) -> bool:
    if op in {"is_empty", "is_not_empty"}:
        return (not tags - own) == (op == "is_empty")
    wanted = {fold(tag) for tag in value}
    return {"has_any": bool(wanted & tags), "has_all": wanted <= tags, "has_none": not wanted & tags}[op]


def number(name: str, customer: Record, zone: str, today: date) -> int | None:
    spent, orders = customer.total_spent, customer.orders_count
    if name == "avg_order_value":
        return spent // orders if orders and spent is not None else None
    if name == "age":
        if customer.birthday_ms is None:
            return None
        born = local_day(customer.birthday_ms, zone)
        return max(0, today.year - born.year - (1 if celebrated(born, today.year) > today else 0))
    return spent if name == "total_spent" else orders


def number_test(op: str, value: Any, actual: int | None, name: str) -> bool:
    if op in {"is_empty", "is_not_empty"}:
        return (actual is None) == (op == "is_empty")
    read = money if name in {"total_spent", "avg_order_value"} else int
    if op == "is_not":
        return not number_test("is", value, actual, name)
    if actual is None:
        return False
    if op == "between":
        return read(value[0]) <= actual <= read(value[1])
    limit = read(value)
    return {
        "at_least": actual >= limit,
        "more_than": actual > limit,
        "at_most": actual <= limit,
        "less_than": actual < limit,
        "is": actual == limit,
    }[op]


def date_test(op: str, value: Any, actual: date | None, today: date) -> bool:
    if op in {"is_empty", "is_not_empty"}:
        return (actual is None) == (op == "is_empty")
    if actual is None:
        return False
    if op in {"within_last", "more_than_ago"}:
        ago = (today - actual).days  # less than 0 for a date in the future
        return 0 <= ago <= duration_days(value) if op == "within_last" else ago > duration_days(value)
    fixed = date.fromisoformat(value)
    return actual < fixed if op == "before" else actual > fixed


def birthday_test(op: str, value: Any, born: date | None, today: date) -> bool:
    if op in {"is_empty", "is_not_empty"}:
        return (born is None) == (op == "is_empty")
    if born is None:
        return False
    if op == "this_month":
        return born.month == today.month
    if op == "next_month":
        return born.month == (1 if today.month == 12 else today.month + 1)
    if op == "month_is":
        return bool(born.month == value)
    ahead = 0 if op == "today" else duration_days(value)
    days = (today + timedelta(days=offset) for offset in range(ahead + 1))
    return any(celebrated(born, day.year) == day for day in days)


def choices(name: str, customer: Record) -> set[Any]:
    if name == "gender":
        return set() if customer.gender is None else {customer.gender}
    texts = [getattr(customer, name), customer.province_code if name == "province" else None]
    return {fold(text) for text in texts if text is not None and fold(text)}


def choice_test(op: str, value: Any, actual: set[Any]) -> bool:
    if op in {"is_empty", "is_not_empty"}:
        return (not actual) == (op == "is_empty")
    if op in {"is_not", "not_in"}:
        return not choice_test("in", value if op == "not_in" else [value], actual)
    listed = value if op == "in" else [value]
    genders = {"male": 1, "female": 0}
    return bool(
        actual
        & {
            genders.get(choice, choice)
            if choice in genders
            else (choice if isinstance(choice, int) else fold(choice))
            for choice in listed
        }
    )


def text_test(op: str, value: Any, actual: str | None) -> bool:
    if op in {"is_empty", "is_not_empty"}:
        return (actual is None) == (op == "is_empty")
    if op in {"is_not", "not_contains"}:
        return not text_test(op.replace("is_not", "is").replace("not_contains", "contains"), value, actual)
    if actual is None:
        return False
    part = fold(value)
    return {
        "contains": part in actual,
        "starts_with": actual.startswith(part),
        "ends_with": actual.endswith(part),
        "is": actual == part,
    }[op]


def matches(node: Mapping[str, Any], *rest: Any) -> bool:
    """Evaluate a tree of conditions."""
    if "all" in node:
        return all(matches(part, *rest) for part in node["all"])
    if "any" in node:
        return any(matches(part, *rest) for part in node["any"])
    if "not" in node:
        return not matches(node["not"], *rest)
    return matches_condition(node, *rest)


KEYS = {
    "avg_order_value": {"total_spent", "orders_count"},
    "age": {"birthday"},
    "group": {"group_name"},
    "province": {"default_address", "province", "province_code"},
    "district": {"default_address", "district"},
    "ward": {"default_address", "ward"},
}


def keys_read_by(node: Mapping[str, Any]) -> set[str]:
    """The keys of a record that a tree reads."""
    if "field" in node:
        return KEYS.get(node["field"], {node["field"]})
    parts = node.get("all") or node.get("any") or [node["not"]]
    return {key for part in parts for key in keys_read_by(part)}


def tags_read_by(node: Mapping[str, Any]) -> set[str] | None:
    """The folded tags that a tree names. None if it reads all tags."""
    if "field" in node:
        if node["field"] != "tags":
            return set()
        return None if node["op"] in {"is_empty", "is_not_empty"} else {fold(tag) for tag in node["value"]}
    parts = [tags_read_by(part) for part in node.get("all") or node.get("any") or [node["not"]]]
    return None if None in parts else {tag for tags in parts if tags for tag in tags}
