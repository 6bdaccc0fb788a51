"""The records of a shop: customers, addresses, orders. Records are immutable; a change creates a new version."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from deploy.sandbox.records.money import Money
from deploy.sandbox.records.timestamps import Stamp

Dialect = Literal["omni", "admin", "webhook"]


class Address(Struct, frozen=True, gc=False):
    """One address. `country_code` is stored in lower case."""

    id: int
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    company: str | None = None
    country: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    province: str | None = None
    zip: str | None = None
    province_code: str | None = None
    country_code: str | None = None
    default: bool = False
    district: str | None = None
    district_code: str | None = None
    ward: str | None = None
    ward_code: str | None = None


class Order(Struct, frozen=True, gc=False):
    """One order. `number` counts the orders of the shop; `refunded` is the refunded amount."""

    id: int
    number: int
    amount: Money
    at: Stamp
    refunded: Money = 0

    @property
    def name(self) -> str:
        return f"#{100_000 + self.number}"


class Metafield(Struct, frozen=True, gc=False):
    """Extra data on a customer (admin seed: metafield)."""

    id: int
    namespace: str
    key: str
    value: str | int
    value_type: str
    description: str | None
    created_at: Stamp
    updated_at: Stamp


class Group(Struct, frozen=True, gc=False):
    id: int
    name: str
    created_at: Stamp
    updated_at: Stamp


class Customer(Struct, frozen=True, gc=False):
    """One version of a customer. `state` is stored in lower case.

    `total_spent`, `orders_count` and `total_paid` may be None, to simulate an API that returns null.
    """

    id: int
    created_at: Stamp
    updated_at: Stamp
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    note: str | None = None
    accepts_marketing: bool | None = False
    verified_email: bool | None = False
    state: str | None = "disabled"
    tags: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    orders: tuple[Order, ...] = ()
    orders_count: int | None = 0
    total_spent: Money | None = 0
    total_paid: Money | None = None
    last_order_id: int | None = None
    last_order_name: str | None = None
    last_order_date: Stamp | None = None
    multipass_identifier: str | None = None
    group_name: str | None = None
    birthday: Stamp | None = None
    gender: int | None = None
    metafields: tuple[Metafield, ...] = ()

    @property
    def default_address(self) -> Address | None:
        return next((address for address in self.addresses if address.default), None)


def split_tags(tags: str | None) -> tuple[str, ...]:
    """The tags of a comma-separated string: stripped, without duplicates, in their order."""
    return tuple(dict.fromkeys(tag.strip() for tag in (tags or "").split(",") if tag.strip()))
