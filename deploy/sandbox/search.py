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
        if not words or _has(shop, customer, words):
            yield customer


def _has(shop: Shop, customer: Customer, words: list[str]) -> bool:
    version, text = shop.search_texts.get(customer.id, (None, ""))
    if version is not customer:
        text = folded(_text(customer))
        shop.search_texts[customer.id] = (customer, text)
    return all(word in text for word in words)


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
