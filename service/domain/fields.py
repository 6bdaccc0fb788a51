"""What a rule may ask about a customer: each field, its type, and what it is read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """The type of a field; it decides which operators and values a condition may use."""

    MONEY = "money"
    INT = "int"
    DATE = "date"
    ANNIVERSARY = "anniversary"
    BOOL = "bool"
    CHOICE = "choice"
    TEXT = "text"
    TAGS = "tags"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name in a document, its type, its attributes in Facts, the record keys behind it.

    A choice with two attributes (a province's name and code) matches by either.
    """

    name: str
    kind: Kind
    facts: tuple[str, ...]
    keys: frozenset[str]
    personal: bool = False  # its value must not leave the customer's own page


def _field(name: str, kind: Kind, *keys: str, facts: tuple[str, ...] = (), personal: bool = False) -> Field:
    return Field(name, kind, facts or (name,), frozenset(keys or (name,)), personal)


_ALL: Final = (
    _field("total_spent", Kind.MONEY),
    _field("avg_order_value", Kind.MONEY, "total_spent", "orders_count"),
    _field("orders_count", Kind.INT),
    _field("age", Kind.INT, "birthday"),
    _field("last_order_date", Kind.DATE),
    _field("created_at", Kind.DATE),
    _field("birthday", Kind.ANNIVERSARY),
    _field("accepts_marketing", Kind.BOOL),
    _field("verified_email", Kind.BOOL),
    _field("gender", Kind.CHOICE),
    _field("state", Kind.CHOICE),
    _field("group", Kind.CHOICE, "group_name"),
    _field("province", Kind.CHOICE, "default_address", facts=("province", "province_code")),
    _field("district", Kind.CHOICE, "default_address"),
    _field("ward", Kind.CHOICE, "default_address"),
    _field("email", Kind.TEXT, personal=True),
    _field("phone", Kind.TEXT, personal=True),
    _field("note", Kind.TEXT, personal=True),
    _field("first_name", Kind.TEXT, personal=True),
    _field("last_name", Kind.TEXT, personal=True),
    _field("tags", Kind.TAGS),
)

FIELDS: Final[Mapping[str, Field]] = {field.name: field for field in _ALL}
