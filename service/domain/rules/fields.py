"""The fields that conditions can use: their types and the record keys that they are read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FieldType(StrEnum):
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
    """A field: its name in documents, its type, its attributes in `Facts`, and the keys of the record behind it.

    Keys of an address are beside the key of the address itself.

    A choice with two attributes, such as a province's name and code, matches by either.
    """

    name: str
    type: FieldType
    fact_names: tuple[str, ...]
    record_keys: frozenset[str]
    is_personal: bool = False  # only the customer's own page may show its value


def _field(
    name: str, field_type: FieldType, *keys: str, facts: tuple[str, ...] = (), personal: bool = False
) -> Field:
    return Field(name, field_type, facts or (name,), frozenset(keys or (name,)), personal)


_ALL: Final = (
    _field("total_spent", FieldType.MONEY),
    _field("avg_order_value", FieldType.MONEY, "total_spent", "orders_count"),
    _field("orders_count", FieldType.INT),
    _field("age", FieldType.INT, "birthday"),
    _field("last_order_date", FieldType.DATE),
    _field("created_at", FieldType.DATE),
    _field("birthday", FieldType.ANNIVERSARY),
    _field("accepts_marketing", FieldType.BOOL),
    _field("verified_email", FieldType.BOOL),
    _field("gender", FieldType.CHOICE),
    _field("state", FieldType.CHOICE),
    _field("group", FieldType.CHOICE, "group_name"),
    _field(
        "province",
        FieldType.CHOICE,
        "default_address",
        "province",
        "province_code",
        facts=("province", "province_code"),
    ),
    _field("district", FieldType.CHOICE, "default_address", "district"),
    _field("ward", FieldType.CHOICE, "default_address", "ward"),
    _field("email", FieldType.TEXT, personal=True),
    _field("phone", FieldType.TEXT, personal=True),
    _field("note", FieldType.TEXT, personal=True),
    _field("first_name", FieldType.TEXT, personal=True),
    _field("last_name", FieldType.TEXT, personal=True),
    _field("tags", FieldType.TAGS),
)

FIELDS: Final[Mapping[str, Field]] = {field.name: field for field in _ALL}

# A word that authors write for a field -> the fields that they may mean.
FIELD_SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("spent", "total", "total_paid", "revenue", "amount", "chi_tieu", "tong_chi_tieu"), ("total_spent",)
    ),
    **dict.fromkeys(("average_order", "average_order_value", "aov"), ("avg_order_value",)),
    **dict.fromkeys(("orders", "order_count", "total_orders", "so_don", "so_don_hang"), ("orders_count",)),
    **dict.fromkeys(("last_order", "last_order_at", "last_purchase"), ("last_order_date",)),
    **dict.fromkeys(("created", "created_on", "created_date", "signup_date"), ("created_at",)),
    **dict.fromkeys(("birth_date", "date_of_birth", "dob", "sinh_nhat"), ("birthday",)),
    **dict.fromkeys(("marketing", "subscribed", "newsletter"), ("accepts_marketing",)),
    **dict.fromkeys(("sex", "gioi_tinh"), ("gender",)),
    **dict.fromkeys(("status", "account_state", "trang_thai"), ("state",)),
    **dict.fromkeys(("group_name", "customer_group", "segment", "nhom"), ("group",)),
    **dict.fromkeys(("city", "province_code", "region", "tinh", "thanh_pho"), ("province",)),
    **dict.fromkeys(("mail", "email_address"), ("email",)),
    **dict.fromkeys(("phone_number", "mobile", "sdt"), ("phone",)),
    **dict.fromkeys(("notes", "ghi_chu"), ("note",)),
    **dict.fromkeys(("name", "full_name", "ten"), ("first_name",)),
    **dict.fromkeys(("surname", "family_name", "ho"), ("last_name",)),
    **dict.fromkeys(("label", "labels", "nhan"), ("tags",)),
}
