"""The naive reading of one customer and of conditions: dates by the standard library, nothing made ready before."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Person:
    """One customer's record as conditions see it. Moments in ms, money in ten-thousandths, as records have them; None is empty."""

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


def read_person(record: Mapping[str, Any]) -> Person:
    """From the JSON of an Omni record (rules.md, The customer record)."""
    place = record["default_address"] or {}
    return Person(
        total_spent=None if record["total_spent"] is None else money(record["total_spent"]),
        tags=tuple(tag.strip() for tag in (record["tags"] or "").split(",") if tag.strip()),
        created_ms=milliseconds(record["created_at"]),
        last_order_ms=milliseconds(record["last_order_date"]),
        birthday_ms=milliseconds(record["birthday"]),
        group=record["group_name"],
        **{name: place.get(name) for name in ("province", "province_code", "district", "ward")},
        **{name: record[name] for name in AS_THEY_ARE},
    )


AS_THEY_ARE = (
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
    """Compared without case, outer spaces, or the way that accents are stored."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().casefold())


def local_day(ms: int, zone: str) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(ZoneInfo(zone)).date()


def celebrated(born: date, year: int) -> date:
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def span(text: str) -> int:
    number, unit = text.split()
    return int(number) * {"days": 1, "ngày": 1, "ngay": 1, "weeks": 7, "months": 30, "tháng": 30}[unit]


def money(value: Any) -> int:
    """Moved by four places, as text."""
    whole, _, fraction = f"{Decimal(str(value)):f}".partition(".")
    return int(whole + fraction.ljust(4, "0")[:4])


def leaf(
    node: Mapping[str, Any], customer: Person, tags: set[str], own: set[str], doc: Any, today: date
) -> bool:
    """One comparison."""
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


def number(name: str, customer: Person, zone: str, today: date) -> int | None:
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
        within = (today - actual).days <= span(value)
        return within if op == "within_last" else not within
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
    ahead = 0 if op == "today" else span(value)
    days = (today + timedelta(days=one) for one in range(ahead + 1))
    return any(celebrated(born, one.year) == one for one in days)


def choices(name: str, customer: Person) -> set[Any]:
    if name == "gender":
        return set() if customer.gender is None else {customer.gender}
    found = [getattr(customer, name), customer.province_code if name == "province" else None]
    return {fold(one) for one in found if one is not None and fold(one)}


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
            genders.get(one, one) if one in genders else (one if isinstance(one, int) else fold(one))
            for one in listed
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


def holds(node: Mapping[str, Any], *rest: Any) -> bool:
    """A tree of conditions."""
    if "all" in node:
        return all(holds(one, *rest) for one in node["all"])
    if "any" in node:
        return any(holds(one, *rest) for one in node["any"])
    if "not" in node:
        return not holds(node["not"], *rest)
    return leaf(node, *rest)


def read_tags(node: Mapping[str, Any]) -> set[str] | None:
    """The tags that a tree names; None when it asks about all of them."""
    if "field" in node:
        if node["field"] != "tags":
            return set()
        return None if node["op"] in {"is_empty", "is_not_empty"} else {fold(tag) for tag in node["value"]}
    below = [read_tags(one) for one in node.get("all") or node.get("any") or [node["not"]]]
    return None if None in below else {tag for one in below if one for tag in one}
