"""Facts: what conditions compare, made once for a customer and a day (dates as days, texts folded)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Final

import msgspec

from service.domain import tags
from service.domain.customers import Customer
from service.domain.days import Calendar, Day, age, day
from service.domain.fields import FIELDS

fold = lru_cache(maxsize=65_536)(tags.fold)  # tags and places come again and again

ALL_FACTS: Final = frozenset(name for field in FIELDS.values() for name in field.facts)
_PERSONAL: Final[tuple[str, ...]] = ("email", "phone", "note", "first_name", "last_name")


class Facts(msgspec.Struct, gc=False):
    """One customer on one day, ready to compare: None is empty; 0 and False are values.

    Money is in the smallest unit, dates are ordinals of local days, texts are folded. `tags` are folded
    keys; the decision moves them on, so that later rules see what earlier ones decided.
    """

    day: Day
    tags: frozenset[str]
    total_spent: int | None = None
    avg_order_value: int | None = None
    orders_count: int | None = None
    age: int | None = None
    last_order_date: int | None = None
    created_at: int | None = None
    birthday: date | None = None
    accepts_marketing: bool | None = None
    verified_email: bool | None = None
    gender: int | None = None
    state: str | None = None
    group: str | None = None
    province: str | None = None
    province_code: str | None = None
    district: str | None = None
    ward: str | None = None
    email: str | None = None
    phone: str | None = None
    note: str | None = None
    first_name: str | None = None
    last_name: str | None = None


def facts_maker(*, calendar: Calendar, needs: frozenset[str] = ALL_FACTS) -> Callable[[Customer, int], Facts]:
    """Make the function that makes facts on a day (ordinal).

    What no rule reads (`needs`: names in Facts) and costs something to make stays empty. Written out in
    full, because this runs once for every customer and costs about as much as twenty rules.
    """
    day_of = calendar.day_of
    created, ordered = "created_at" in needs, "last_order_date" in needs
    aged, average = "age" in needs, "avg_order_value" in needs
    born = aged or "birthday" in needs
    state, group = "state" in needs, "group" in needs
    province, district, ward = "province" in needs, "district" in needs, "ward" in needs
    personal = tuple(name for name in _PERSONAL if name in needs)

    def make(customer: Customer, today: int) -> Facts:
        facts = Facts(
            day(today),
            _keys(customer.tags),
            customer.total_spent,
            None,
            customer.orders_count,
            None,
            day_of(ms) if ordered and (ms := customer.last_order_ms) is not None else None,
            day_of(ms) if created and (ms := customer.created_ms) is not None else None,
            date.fromordinal(day_of(ms)) if born and (ms := customer.birthday_ms) is not None else None,
            customer.accepts_marketing,
            customer.verified_email,
            customer.gender,
            _folded(customer.state) if state else None,
            _folded(customer.group) if group else None,
            _folded(customer.province) if province else None,
            _folded(customer.province_code) if province else None,
            _folded(customer.district) if district else None,
            _folded(customer.ward) if ward else None,
        )
        if average and facts.orders_count and facts.total_spent is not None:
            facts.avg_order_value = facts.total_spent // facts.orders_count
        if aged and facts.birthday is not None:
            facts.age = age(facts.birthday, facts.day)
        for name in personal:
            if (text := getattr(customer, name)) is not None:
                setattr(facts, name, _fold_once(text))
        return facts

    return make


@lru_cache(maxsize=16_384)
def _keys(spelled: tuple[str, ...]) -> frozenset[str]:
    """The folded keys of a customer's tags; most customers share theirs with many others."""
    return frozenset(map(fold, spelled))


@lru_cache(maxsize=16_384)
def _folded(text: str | None) -> str | None:
    return (tags.fold(text) or None) if text is not None else None


def _fold_once(text: str) -> str | None:
    """Fold what is seldom seen twice, and must not be remembered; most of it is plain ASCII."""
    return (text.strip().lower() if text.isascii() else tags.fold(text)) or None
