"""Searching customers by text, whether or not the seeker types the Vietnamese marks."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from .records import Customer
from .shop import Shop

_MARKS = dict.fromkeys(range(768, 880))


def folded(text: str) -> str:
    """Lower case without diacritics: `Nguyễn Đình` is found by `nguyen dinh`."""
    return unicodedata.normalize("NFD", text).translate(_MARKS).casefold().replace("đ", "d")


def matching(shop: Shop, query: str | None) -> Iterator[Customer]:
    """Customers in whose data every word of the query is found, by ascending id; all of them without a query."""
    words = folded(query or "").split()
    for customer in shop.store.all():
        if not words or all(word in text for text in [folded(_text(customer))] for word in words):
            yield customer


def _text(customer: Customer) -> str:
    place = customer.default_address
    parts = (
        str(customer.id),
        customer.last_name,
        customer.first_name,
        customer.last_name,
        customer.email,
        customer.phone,
        customer.note,
        ",".join(customer.tags),
        *((place.address1, place.province, place.district) if place else ()),
    )
    return " ".join(part for part in parts if part)
