"""Finds customers by what is stored of them: names, tags, and e-mail and phone where live rules read them.

Haravan is not asked. A search opens the sealed part of every snapshot: about 3 s for 100,000 customers, so it belongs into
the CPU pool.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from service.context import Context
from service.domain.customers import Customer, CustomerId, OrgId, fold
from service.errors import MalformedData
from service.store.client import keys, scan_hash
from service.store.customers import full_name, read_snapshot, snapshots

MAX_FOUND: Final = 50
MIN_TEXT: Final = 2  # characters
MIN_DIGITS: Final = 6  # of a part of a phone number
_DIGITS: Final = re.compile("[0-9 .+-]+")
_DIACRITICS: Final = re.compile("[\u0300-\u036f]")


@dataclass(frozen=True, slots=True)
class FoundCustomer:
    """A customer that matches. Personal fields are as stored: mask them before they are shown."""

    id: CustomerId
    name: str
    email: str
    phone: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The customers that match, by id, at most `MAX_FOUND`. `searched` snapshots were read."""

    customers: tuple[FoundCustomer, ...]
    searched: int
    has_more: bool


async def find_customers(context: Context, org: OrgId, text: str, *, personal: bool) -> Found:
    """Customers with a tag of exactly this name, or with `text` in name, e-mail or phone if `personal`.

    Case and diacritics do not matter. Raises NotFound for an unknown shop.
    """
    shop = await context.shops.get_or_raise(org)
    tag, plain, digits = fold(text), without_diacritics(text), _digits(text)
    found: dict[CustomerId, FoundCustomer] = {}
    names: set[bytes] = set()  # a scan may return a customer twice
    async for page in scan_hash(context.redis, keys.shop(org, "snapshots")):
        names.update(page)
        for stored in page.values():
            try:
                snapshot = read_snapshot(stored)
                customer = snapshot.open(shop.cipher) if personal else snapshot.facts
            except MalformedData:
                continue  # the next reading of the customer replaces it
            if any(fold(name) == tag for name in customer.tags) or (
                personal and _matches(customer, plain, digits)
            ):
                found[CustomerId(customer.id)] = _found(customer)
    shown = [found[customer] for customer in sorted(found)[:MAX_FOUND]]
    return Found(tuple(shown), len(names), len(found) > MAX_FOUND)


async def is_known(context: Context, org: OrgId, customer: CustomerId) -> bool:
    """Whether the customer was ever read."""
    return not await snapshots.never_read(context.redis, org, [customer])


def without_diacritics(text: str) -> str:
    """Lower case without diacritics: people type `le dung` for Lê Dũng."""
    text = text.lower()
    if not text.isascii():
        text = _DIACRITICS.sub("", unicodedata.normalize("NFD", text.replace("đ", "d")))
    return " ".join(text.split())


def _matches(customer: Customer, plain: str, digits: str) -> bool:
    last, first, email = customer.last_name or "", customer.first_name or "", customer.email or ""
    return (bool(plain) and plain in without_diacritics(f"{last} {first} {last} {email}")) or bool(
        digits and digits in _digits(customer.phone or "")
    )


def _digits(text: str) -> str:
    """The digits of a phone number without its prefix 0 or +84; "" if the text is no part of one."""
    if not _DIGITS.fullmatch(text.strip()):
        return ""
    digits = re.sub("[^0-9]", "", text)
    digits = digits.removeprefix("84") if text.strip().startswith("+") else digits.removeprefix("0")
    return digits if len(digits) >= MIN_DIGITS else ""


def _found(customer: Customer) -> FoundCustomer:
    return FoundCustomer(
        CustomerId(customer.id),
        full_name(customer),
        customer.email or "",
        customer.phone or "",
        customer.tags,
    )
