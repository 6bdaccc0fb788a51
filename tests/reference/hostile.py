"""Records as an API may send them: fields that are absent, unreadable, hostile or huge, with what must be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tests.reference.conditions import Record
from tests.reference.strategies import unique

ABSENT: Any = object()
MISSING: Any = object()
MARKS = "\u0300\u0316"  # the second sorts before the first
NAN = float("nan")
NO_NUMBERS: tuple[Any, ...] = (
    "1e1000000",
    1e400,
    10**30,
    "9" * 5000,
    "10.000.000",
    "1_000",
    True,
    NAN,
    "NaN",
    [],
    {},
    "x",
)
NO_TEXTS: tuple[Any, ...] = ("x" * 4097, MARKS * 30_000, ["x"], {"x": 1}, True, NAN, 10**30, "\ud800")
NO_TIMES: tuple[Any, ...] = (
    *("0000-00-00", "1990-02-29", "04/05/1990", "28/11/2026", "2026-13-01", "x", "1" * 60_000),
    *(19900228, True, NAN, [], {}),
)
NO_FLAGS: tuple[Any, ...] = ("perhaps", 1, 0, NAN, [], "true" * 9_000)

# Values with what is read, then values that are none.
AMOUNTS = [(None, None), ("", None), (2, 2_0000), ("3.0001", 3_0001), (-1.5, -1_5000), (0, 0)]
COUNTS = [(None, None), (0, 0), ("4", 4), (2.0, 2)]
TIMES = [
    *((None, None), ("", None), ("2047-12-20T17:00:00Z", 2_460_474_000_000)),
    # No dates: .NET, iOS and SQL Server write these for an empty date.
    *((text, None) for text in ("0001-01-01T00:00:00", "1604-02-29T00:00:00Z", "1900-01-01T00:00:00+07:00")),
]
FLAGS = [(None, None), ("", None), (True, True), ("True", True), ("false", False)]
GENDERS = [(None, None), (0, 0), ("1", 1)]
TEXTS = [(None, None), (" ", None), ("an", "an"), ("A\u0301n ", "\xc1n"), (7, "7"), ("bình", "bình")]
PLACES = [(None, None), ("Hồ Chí Minh", "Hồ Chí Minh"), (" HN ", "HN")]
NO_COUNTS: tuple[Any, ...] = (*NO_NUMBERS, -1, 2.5)

Choices = tuple[str, list[tuple[Any, Any]], tuple[Any, ...]]
KEYS: Mapping[str, Choices] = {
    "total_spent": ("total_spent", AMOUNTS, NO_NUMBERS),
    "orders_count": ("orders_count", COUNTS, NO_COUNTS),
    "created_at": ("created_ms", TIMES, NO_TIMES),
    "last_order_date": ("last_order_ms", TIMES, NO_TIMES),
    "birthday": ("birthday_ms", TIMES, NO_TIMES),
    "gender": ("gender", GENDERS, NO_COUNTS),
    "accepts_marketing": ("accepts_marketing", FLAGS, NO_FLAGS),
    "verified_email": ("verified_email", FLAGS, NO_FLAGS),
    "state": ("state", [(None, None), (" Disabled", "disabled")], NO_TEXTS),
    "group_name": ("group", TEXTS, NO_TEXTS),
    **{key: (key, TEXTS, NO_TEXTS) for key in ("first_name", "last_name", "email", "phone", "note")},
}
ADDRESS_KEYS: Mapping[str, Choices] = {
    key: (key, PLACES, NO_TEXTS) for key in ("province", "province_code", "district", "ward")
}
NO_ADDRESSES: tuple[Any, ...] = ("Hà Nội", 7, True, NAN, [1])


@st.composite
def bodies(draw: st.DrawFn, tags: st.SearchStrategy[list[str]]) -> tuple[dict[str, Any], Record]:
    """A decoded record, and what must be read from it."""
    body: dict[str, Any] = {"id": 1}
    values: dict[str, Any] = {}
    missing: set[str] = set()
    draw(_fields(KEYS, body, values, missing))
    kind = draw(st.sampled_from(("object", "object", "none", "absent", "odd")))
    if kind == "object":
        address: dict[str, Any] = {}
        draw(_fields(ADDRESS_KEYS, address, values, missing))
        if not address:  # an address without any key is no address
            missing -= ADDRESS_KEYS.keys()
        body["default_address"] = address
    elif kind == "none":
        body["default_address"] = draw(st.sampled_from((None, "", {}, [])))
    else:
        missing.add("default_address")
        if kind == "odd":
            body["default_address"] = draw(st.sampled_from(NO_ADDRESSES))
    named = unique(draw(tags))
    body["tags"] = ",".join(named)
    return body, Record(**values, tags=named, missing=frozenset(missing))


@st.composite
def _fields(
    draw: st.DrawFn,
    keys: Mapping[str, Choices],
    body: dict[str, Any],
    values: dict[str, Any],
    missing: set[str],
) -> None:
    """Draw each key: mostly a value, sometimes nothing or something that is no value."""
    odd = draw(st.sets(st.sampled_from(sorted(keys)), max_size=3))
    for key, (name, good, bad) in keys.items():
        if key not in odd:
            body[key], values[name] = draw(st.sampled_from(good))
            continue
        missing.add(key)
        value = draw(st.sampled_from((ABSENT, *bad)))
        if value is not ABSENT:
            body[key] = value
