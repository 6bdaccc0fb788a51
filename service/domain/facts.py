"""Facts: what conditions compare, made once for a customer and a day (dates as days, texts folded)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

import msgspec

from service.domain import tags
from service.domain.customers import Customer
from service.domain.days import CHUNK_MS, DAY_MS, Calendar, Day, age, day
from service.domain.fields import FIELDS
from service.domain.source import function

ALL_FACTS: Final = frozenset(name for field in FIELDS.values() for name in field.facts)
_MOST_FOLDED: Final = 65_536


class _Folded(dict[str, str]):
    """Texts that come again and again, tags and places, with their folded keys; quicker to ask than an lru_cache."""

    def __missing__(self, text: str) -> str:
        if len(self) >= _MOST_FOLDED:
            self.clear()
        folded = self[text] = tags.fold(text)
        return folded


fold: Final[Callable[[str], str]] = _Folded().__getitem__


class Facts(msgspec.Struct, gc=False):
    """One customer on one day, ready to compare: None is empty; 0 and False are values.

    Money is in ten-thousandths, dates are ordinals of local days, texts are folded. `tags` are folded
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
    """Make the function that makes facts on a day (ordinal); what no rule reads (`needs`: names in Facts) stays empty.

    It is written for these facts alone: it runs once for every customer and costs about as much as twenty rules.
    """
    made = {
        name: how for name, how in _MADE.items() if name in needs or (name == "birthday" and "age" in needs)
    }
    given = (name if name in made else "None" for name in Facts.__struct_fields__[2:])
    lines = (
        "day = day_of(today)",
        *(f"{name} = {how}" for name, how in made.items()),
        f"return Facts(day, frozenset(map(fold, customer.tags)), {', '.join(given)})",
    )
    known = {**_HELPERS, "shift_of": calendar.shifts.get, "slow_day_of": calendar.day_of}
    make: Callable[[Customer, int], Facts] = function("customer, today", lines, known)
    return make


_HELPERS: Final[Mapping[str, object]] = {
    "age_of": age,
    "date_of": date.fromordinal,
    "day_of": day,
    "Facts": Facts,
    "fold": fold,
    "fold_once": tags.fold,
    "frozenset": frozenset,
    "map": map,
}
# Calendar.day_of written out, as a call would cost half as much again.
_DAY: Final = (
    f"((ms + shift) // {DAY_MS} if (shift := shift_of(ms // {CHUNK_MS})) is not None else slow_day_of(ms))"
)
# What is seldom seen twice must not be remembered; most of it is plain ASCII.
_ONCE: Final = "(text.strip().lower() if text.isascii() else fold_once(text)) or None"
_MADE: Final[Mapping[str, str]] = {
    "total_spent": "customer.total_spent",
    "orders_count": "customer.orders_count",
    "avg_order_value": "customer.total_spent // customer.orders_count"
    " if customer.orders_count and customer.total_spent is not None else None",
    "last_order_date": f"{_DAY} if (ms := customer.last_order_ms) is not None else None",
    "created_at": f"{_DAY} if (ms := customer.created_ms) is not None else None",
    "birthday": f"date_of({_DAY}) if (ms := customer.birthday_ms) is not None else None",
    "age": "age_of(birthday, day) if birthday is not None else None",
    "accepts_marketing": "customer.accepts_marketing",
    "verified_email": "customer.verified_email",
    "gender": "customer.gender",
    **{
        name: f"fold(text) or None if (text := customer.{name}) else None"
        for name in ("state", "group", "province", "province_code", "district", "ward")
    },
    **{
        name: f"{_ONCE} if (text := customer.{name}) else None"
        for name in ("email", "phone", "note", "first_name", "last_name")
    },
}
