"""Facts: what conditions compare, made once for a customer and a day (dates as days, texts folded)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Final

import msgspec

from service.domain import tags
from service.domain.customers import Customer
from service.domain.days import Calendar, Day, age
from service.domain.fields import FIELDS

fold = lru_cache(maxsize=65_536)(tags.fold)  # tags and places come again and again

ALL_FACTS: Final = frozenset(name for field in FIELDS.values() for name in field.facts)
_TEXTS: Final[tuple[str, ...]] = ("state", "group", "province", "province_code", "district", "ward")
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


def facts_maker(*, calendar: Calendar, needs: frozenset[str] = ALL_FACTS) -> Callable[[Customer, Day], Facts]:
    """Make the function that makes facts; what no rule reads (`needs`: names in Facts) stays empty."""
    day_of, date_of = calendar.day_of, calendar.date_of
    dated, ordered, born = "created_at" in needs, "last_order_date" in needs, "birthday" in needs
    aged, average = "age" in needs, "avg_order_value" in needs
    texts = tuple(name for name in _TEXTS if name in needs)
    personal = tuple(name for name in _PERSONAL if name in needs)
    if aged:
        born = True

    def make(customer: Customer, day: Day) -> Facts:
        facts = Facts(
            day,
            frozenset([fold(tag) for tag in customer.tags]),
            customer.total_spent,
            None,
            customer.orders_count,
            None,
            day_of(customer.last_order_ms) if ordered and customer.last_order_ms is not None else None,
            day_of(customer.created_ms) if dated and customer.created_ms is not None else None,
            date_of(customer.birthday_ms) if born and customer.birthday_ms is not None else None,
            customer.accepts_marketing,
            customer.verified_email,
            customer.gender,
        )
        if average and facts.orders_count and facts.total_spent is not None:
            facts.avg_order_value = facts.total_spent // facts.orders_count
        if aged and facts.birthday is not None:
            facts.age = age(facts.birthday, day)
        for name in texts:
            if (text := getattr(customer, name)) is not None:
                setattr(facts, name, fold(text))
        for name in personal:
            if (text := getattr(customer, name)) is not None:
                setattr(facts, name, tags.fold(text))  # seldom seen twice, and not to be remembered
        return facts

    return make
