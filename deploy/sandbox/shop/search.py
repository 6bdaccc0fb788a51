"""Text search over customers. Accents do not matter."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from deploy.sandbox.records import Customer
from deploy.sandbox.shop.shop import Shop

MAX_SEARCHED = 2_000  # characters of a text: sorting a row of 60,000 combining marks would take seconds
_ACCENTS = dict.fromkeys(range(768, 880))


def fold_accents(text: str) -> str:
    """Lower case without accents: `Nguyễn Đình` becomes `nguyen dinh`."""
    text = unicodedata.normalize("NFD", text[:MAX_SEARCHED])
    return text.translate(_ACCENTS).casefold().replace("đ", "d")


def find_matching(shop: Shop, query: str | None) -> Iterator[Customer]:
    """The customers whose data contains every word of the query, by ascending id. Without a query: all."""
    words = fold_accents(query or "").split()
    for customer in shop.store.all():
        if not words or _has(shop, customer, words):
            yield customer


def _has(shop: Shop, customer: Customer, words: list[str]) -> bool:
    version, text = shop.search_texts.get(customer.id, (None, ""))
    if version is not customer:
        text = fold_accents(_text(customer))
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
