"""Facts: the values that conditions compare, built once for a customer and a day."""

from __future__ import annotations

from datetime import date
from operator import attrgetter
from typing import Final

import msgspec

from service.domain.customers import Customer, fold, fold_uncached
from service.domain.rules import Calendar, Day, age, make_day


class Facts(msgspec.Struct, gc=False):
    """One customer on one day. None is an empty field; 0 and False are values.

    Money is in ten-thousandths, dates are ordinals of local days, texts and tags are folded. A decision changes
    `tags` in its own copy of the facts, so that later rules see what earlier rules decided.
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


def build_facts(
    customer: Customer, today: int, *, calendar: Calendar, texts: bool = True, birthdays: bool = True
) -> Facts:
    """Build the facts of a customer on a day (ordinal).

    Without `texts` the personal texts stay empty; without `birthdays` birthday and age do. Leaving both out halves the
    cost, which otherwise equals that of about twenty rules.
    """
    day, day_of = make_day(today), calendar.day_of
    spent, orders = customer.total_spent, customer.orders_count
    ordered, created, born = customer.last_order_ms, customer.created_ms, customer.birthday_ms
    birthday = None if born is None or not birthdays else date.fromordinal(day_of(born))
    state, group, province, code = customer.state, customer.group, customer.province, customer.province_code
    district, ward = customer.district, customer.ward
    return Facts(
        day,
        frozenset(map(fold, customer.tags)),
        spent,
        spent // orders if orders and spent is not None else None,
        orders,
        None if birthday is None else age(birthday, day),
        None if ordered is None else day_of(ordered),
        None if created is None else day_of(created),
        birthday,
        customer.accepts_marketing,
        customer.verified_email,
        customer.gender,
        (fold(state) or None) if state else None,
        (fold(group) or None) if group else None,
        (fold(province) or None) if province else None,
        (fold(code) or None) if code else None,
        (fold(district) or None) if district else None,
        (fold(ward) or None) if ward else None,
        *(map(_fold_text, _personal_texts(customer)) if texts else ()),
    )


# In the order of `Facts`.
_personal_texts: Final = attrgetter("email", "phone", "note", "first_name", "last_name")


def _fold_text(text: str | None) -> str | None:
    return (fold_uncached(text) or None) if text else None
