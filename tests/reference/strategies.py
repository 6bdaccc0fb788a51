"""Random documents, customers and customer states. They are drawn from few values, so that they interact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import strategies as st

from service.domain.customers.customer import Customer, MissingField, MissingReason
from service.domain.customers.tags import fold, tag_set
from service.domain.decisions.state import CustomerState, Hold, Ownership, UndoRecord
from service.domain.documents.errors import InvalidRules
from service.domain.documents.parser import validate_rules
from service.domain.rules.document import RuleSet
from service.domain.rules.inheritance import Inheritance

ZONES = ("Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")
OURS = ("A", "B", "Đ", "é")
LEVELS = ("Gold", "Silver", "Bronze")
FOREIGN = ("X", "y")
IDS = ("r0", "r1", "r2", "r3")
FIRST, LAST = (
    date(2047, 12, 1),
    date(2049, 4, 1),
)  # 29 February 2048 and the common year after it; ahead of every real clock

Whens = Callable[[tuple[str, ...]], st.SearchStrategy[dict[str, Any]]]  # by the tags that may be read
DAYS = st.dates(FIRST, LAST)
SPANS = st.sampled_from(("0 days", "1 days", "7 ngày", "30 days", "90 ngay", "2 months", "1 weeks"))
NUMBERS = st.integers(0, 6)
# Ten-thousandths, also just below and above what documents compare with.
AMOUNTS = st.builds(
    lambda units, more: units * 10_000 + more, st.integers(0, 9), st.sampled_from((0, 0, -1, 1, 5_000))
)
PLACES = st.sampled_from(("Hồ Chí Minh", "HC", "hà nội", "HN"))
TEXTS = st.sampled_from(("an", "AN ", "bình", "a"))


def leaf(
    field: str, op: str, value: st.SearchStrategy[Any] | None = None
) -> st.SearchStrategy[dict[str, Any]]:
    """One comparison of a field by an operator."""
    if value is None:
        return st.just({"field": field, "op": op})
    return value.map(lambda drawn: {"field": field, "op": op, "value": drawn})


def numeric(field: str, values: st.SearchStrategy[int]) -> list[st.SearchStrategy[dict[str, Any]]]:
    ops = ("at_least", "more_than", "at_most", "less_than", "is", "is_not")
    pairs = st.tuples(values, values).map(sorted)
    return [*(leaf(field, op, values) for op in ops), leaf(field, "between", pairs)]


def empties(field: str) -> list[st.SearchStrategy[dict[str, Any]]]:
    return [leaf(field, "is_empty"), leaf(field, "is_not_empty")]


@cache  # making a strategy costs more than drawing from it
def leaves(readable: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Comparisons of every field; `tags` may name the readable ones."""
    tags = st.lists(st.sampled_from(readable), min_size=1, max_size=2)
    groups = [
        [
            one
            for name in ("total_spent", "orders_count", "avg_order_value")
            for one in numeric(name, NUMBERS)
        ],
        numeric("age", st.integers(0, 60)),
        [
            leaf(name, op, SPANS)
            for name in ("last_order_date", "created_at")
            for op in ("within_last", "more_than_ago")
        ],
        [
            leaf(name, op, DAYS.map(str))
            for name in ("last_order_date", "created_at")
            for op in ("before", "after")
        ],
        [leaf("birthday", op) for op in ("this_month", "next_month", "today")],
        [leaf("birthday", "in_next", SPANS), leaf("birthday", "month_is", st.integers(1, 12))],
        [leaf("gender", "is", st.sampled_from(("male", "female", 0, 1)))],
        [leaf("province", op, PLACES) for op in ("is", "is_not")],
        [leaf("province", op, st.lists(PLACES, min_size=1, max_size=2)) for op in ("in", "not_in")],
        [leaf("accepts_marketing", "is", st.booleans())],
        [
            leaf("first_name", op, TEXTS)
            for op in ("is", "is_not", "contains", "not_contains", "starts_with", "ends_with")
        ],
        [leaf("tags", op, tags) for op in ("has_any", "has_all", "has_none")],
        [
            one
            for name in ("last_order_date", "birthday", "province", "gender", "first_name", "age")
            for one in empties(name)
        ],
    ]
    return st.sampled_from(groups).flatmap(st.one_of)


@cache
def trees(readable: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Trees of conditions."""
    return st.recursive(
        leaves(readable),
        lambda below: st.one_of(
            st.lists(below, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
            st.lists(below, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
            below.map(lambda part: {"not": part}),
        ),
        max_leaves=4,
    )


@cache
def likely(readable: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Comparisons whose result changes after a few orders or days, and sometimes any tree."""
    often = [
        leaf("orders_count", "at_least", st.integers(1, 4)),
        leaf("orders_count", "less_than", st.integers(1, 4)),
        leaf("total_spent", "at_least", st.integers(1, 8)),
        leaf("last_order_date", "more_than_ago", SPANS),
        leaf("last_order_date", "within_last", SPANS),
        leaf("tags", "has_any", st.lists(st.sampled_from(readable), min_size=1, max_size=2)),
        leaf("tags", "has_none", st.lists(st.sampled_from(readable), min_size=1, max_size=2)),
    ]
    return st.one_of(*often, trees(readable))


@st.composite
def rules(
    draw: st.DrawFn, rule_id: str, tag: str, readable: tuple[str, ...], whens: Whens = trees
) -> dict[str, Any]:
    """One rule. Keys with default values are left out at random."""
    rule: dict[str, Any] = {"id": rule_id, "tag": tag, "when": draw(whens(readable))}
    options = {
        "keep": ("while_matching", "forever", "5 days", "30 days"),
        "owns": ("added", "all"),
        "when_gone": ("leave", "remove"),
        "enabled": (True, True, True, False),
    }
    for key, values in options.items():
        if draw(st.booleans()):
            rule[key] = draw(st.sampled_from(values))
    return rule


@st.composite
def tiers(draw: st.DrawFn, whens: Whens = leaves) -> dict[str, Any]:
    """One tier of two or three levels."""
    tags = draw(st.permutations(LEVELS))[: draw(st.integers(2, 3))]
    fitting = [draw(whens(FOREIGN)) for _ in tags]
    tier: dict[str, Any] = {
        "id": "t0",
        "levels": [{"tag": tag, "when": when} for tag, when in zip(tags, fitting, strict=True)],
        "downgrade": draw(st.sampled_from(("at_once", "never", {"after": "5 days"}, {"after": "1 months"}))),
    }
    if draw(st.booleans()):
        tier["owns"] = draw(st.sampled_from(("added", "all")))
        tier["when_gone"] = draw(st.sampled_from(("leave", "remove")))
    return tier


@st.composite
def documents(draw: st.DrawFn, *, whens: Whens | None = None) -> dict[str, Any]:
    """A document that can be published."""
    ids = IDS[: draw(st.integers(1, 4))]
    drawn = []
    for rule_id in draw(st.permutations(ids)):
        readable = (*FOREIGN, *draw(st.sampled_from(((), (), LEVELS, OURS))))
        drawn.append(draw(rules(rule_id, draw(st.sampled_from(OURS)), readable, whens or trees)))
    doc = {
        "version": 1,
        "timezone": draw(st.sampled_from(ZONES)),
        "currency": draw(st.sampled_from(("VND", "USD"))),
    }
    doc |= {"rules": drawn, "tiers": [draw(tiers(whens or leaves))] if draw(st.booleans()) else []}
    if publishable(doc) is not None:
        return doc
    steady = {
        "field": "orders_count",
        "op": "at_least",
        "value": 2,
    }  # the tags form a cycle: let no rule read tags
    return {**doc, "rules": [{**rule, "when": steady} for rule in drawn]}


def publishable(doc: Mapping[str, Any]) -> RuleSet | None:
    """The document as a RuleSet, or None if it has a cycle."""
    try:
        return validate_rules(doc)
    except InvalidRules:
        return None


def moment(day: date, hour: int, zone: str) -> int:
    """The milliseconds of an hour of a local day."""
    return int(datetime.combine(day, time(hour), ZoneInfo(zone)).astimezone(UTC).timestamp() * 1000)


@st.composite
def moments(draw: st.DrawFn, zone: str, days: st.SearchStrategy[date] = DAYS) -> int | None:
    if draw(st.integers(0, 4)) == 0:
        return None
    return moment(draw(days), draw(st.integers(0, 23)), zone)


BIRTHDAYS = st.one_of(
    st.dates(date(1978, 1, 1), date(2033, 1, 1)),
    st.sampled_from((date(2020, 2, 29), date(2018, 2, 28), date(2018, 12, 31))),
)
MAYBE_TEXT = st.sampled_from((None, "An", "Bình an", "Bi\u0300nh", "ÁN", " "))


ATTRIBUTES = {
    "total_spent": ("total_spent",),
    "orders_count": ("orders_count",),
    "created_at": ("created_ms",),
    "last_order_date": ("last_order_ms",),
    "birthday": ("birthday_ms",),
    "gender": ("gender",),
    "accepts_marketing": ("accepts_marketing",),
    "default_address": ("province", "province_code"),
    "province": ("province",),
    "province_code": ("province_code",),
    "first_name": ("first_name",),
}  # by key of a record
MISSING_KEYS = st.one_of(
    st.just(frozenset[str]()), st.frozensets(st.sampled_from(sorted(ATTRIBUTES)), max_size=3)
)


@st.composite
def customers(draw: st.DrawFn, zone: str) -> Customer:
    """A customer of few possible values. Some fields may be missing."""
    missing = draw(MISSING_KEYS)
    absent: dict[str, Any] = {name: None for key in missing for name in ATTRIBUTES[key]}
    reasons = st.sampled_from(MissingReason)
    return msgspec.structs.replace(
        draw(complete_customers(zone)),
        **absent,
        missing=tuple(MissingField(key, draw(reasons)) for key in sorted(missing)),
    )


@st.composite
def complete_customers(draw: st.DrawFn, zone: str) -> Customer:
    """A customer without missing fields."""
    tags = draw(st.lists(st.sampled_from((*OURS, *LEVELS, *FOREIGN, "a", "gold", "E\u0301")), max_size=5))
    return Customer(
        id=1,
        total_spent=draw(st.one_of(st.none(), AMOUNTS)),
        orders_count=draw(st.one_of(st.none(), st.integers(0, 6))),
        tags=unique(tags),
        created_ms=draw(moments(zone)),
        last_order_ms=draw(moments(zone)),
        birthday_ms=draw(moments(zone, BIRTHDAYS)),
        gender=draw(st.sampled_from((None, 0, 1))),
        accepts_marketing=draw(st.sampled_from((None, False, True))),
        province=draw(st.sampled_from((None, "Hồ Chí Minh", "Ho\u0302\u0300 Chi\u0301 Minh", "Hà Nội"))),
        province_code=draw(st.sampled_from((None, "HC", "HN"))),
        first_name=draw(MAYBE_TEXT),
    )


def unique(tags: list[str]) -> tuple[str, ...]:
    """The tags of a record, with one spelling for each tag."""
    return tag_set(tags).names


@st.composite
def customer_states(draw: st.DrawFn, zone: str, today: date) -> CustomerState:
    """Any state, including states that no decision leads to."""
    rule_ids = (*IDS, "t0", "old")
    keys = [fold(tag) for tag in (*OURS, *LEVELS, "x")]
    days = st.sampled_from((0, 1, 4, 5, 6, 29, 30, 31)).map(lambda ago: today - timedelta(days=ago))
    owned = {
        key: Ownership(
            key.title(),
            draw(st.sampled_from(rule_ids)),
            moment(draw(days), 9, zone),
            draw(st.integers(1, 3)),
        )
        for key in draw(st.lists(st.sampled_from(keys), unique=True, max_size=4))
    }
    held = {
        rule_id: Hold(
            draw(st.sampled_from(keys)),
            draw(days).toordinal(),
            *draw(st.just((None, 0)) | st.tuples(days.map(date.toordinal), st.integers(0, 3)))
            if rule_id == "t0"
            else (None, 0),
        )
        for rule_id in draw(st.lists(st.sampled_from(rule_ids), unique=True, max_size=3))
    }
    return CustomerState(owned, held, frozenset(draw(st.lists(st.sampled_from(rule_ids), max_size=1))))


@st.composite
def restores(draw: st.DrawFn, zone: str, today: date) -> dict[str, UndoRecord]:
    """Tags that a roll-back restores, in the state in rule_id an undone version removed them."""
    before = draw(customer_states(zone, today))
    return {
        key: UndoRecord(
            key.title(),
            before.ownership.get(key),
            {rule_id: hold for rule_id, hold in before.holds.items() if hold.tag_key == key},
            draw(st.integers(1, 4)),
        )
        for key in draw(
            st.lists(st.sampled_from([*map(fold, (*OURS, *LEVELS, "x"))]), unique=True, max_size=3)
        )
    }


INHERITANCES = st.builds(
    Inheritance,
    st.dictionaries(st.just("old"), st.sampled_from(("leave", "remove"))),
    st.frozensets(st.tuples(st.sampled_from((*IDS, "t0", "old")), st.integers(1, 3)), max_size=2),
    st.one_of(st.just(frozenset[int]()), st.frozensets(st.integers(1, 3), max_size=2)),
)


def _texts(zone: str, days: st.SearchStrategy[date]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda day, hour: datetime.combine(day, time(hour), ZoneInfo(zone)).isoformat(),
        days,
        st.sampled_from((0, 3, 12, 22)),
    )


RECENT_DAYS = st.dates(date(2047, 10, 1), date(2048, 4, 1))
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "total_spent": st.one_of(st.none(), st.integers(0, 9), st.sampled_from(("2.9999", "3.0001"))),
        "orders_count": st.integers(0, 6),
        "created_at": _texts("UTC", RECENT_DAYS),
        "last_order_date": st.one_of(st.none(), _texts("Asia/Ho_Chi_Minh", RECENT_DAYS)),
        "birthday": st.one_of(st.none(), _texts("Asia/Ho_Chi_Minh", BIRTHDAYS)),
        "gender": st.sampled_from((None, 0, 1)),
        "accepts_marketing": st.booleans(),
        "province": st.sampled_from(("Hồ Chí Minh", "Ho\u0302\u0300 Chi\u0301 Minh", "Hà Nội")),
        "first_name": MAYBE_TEXT,
    },
)


@st.composite
def edited(draw: st.DrawFn, doc: Mapping[str, Any]) -> dict[str, Any]:
    """The document with one rule or tier changed, added, disabled or removed."""
    rule_id = draw(st.sampled_from((*IDS, "t0")))
    others = [rule for rule in doc["rules"] if rule["id"] != rule_id]
    edit = draw(st.sampled_from(("change", "change", "drop", "flip", "options")))
    old = next((rule for rule in (*doc["rules"], *doc["tiers"]) if rule["id"] == rule_id), None)
    new: dict[str, Any] | None
    if edit == "drop" and old:
        new = None
    elif edit == "flip" and old:
        new = {**old, "enabled": not old.get("enabled", True)}
    else:
        new = draw(
            tiers(likely) if rule_id == "t0" else rules(rule_id, draw(st.sampled_from(OURS)), FOREIGN, likely)
        )
        if edit == "options" and old:
            kept = {key: old[key] for key in ("tag", "when", "levels") if key in old}
            new = {**new, **kept}
    drawn = [] if new is None else [new]
    changed = {**doc, **({"tiers": drawn} if rule_id == "t0" else {"rules": [*others, *drawn]})}
    return changed if publishable(changed) is not None else dict(doc)
