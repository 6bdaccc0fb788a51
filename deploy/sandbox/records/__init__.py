"""The records of a shop (customers, addresses, orders), and how the two Haravan APIs print them."""

from __future__ import annotations

from deploy.sandbox.records import admin, geography, metafields, money, omni, timestamps
from deploy.sandbox.records.models import (
    Address,
    Customer,
    Dialect,
    Group,
    Metafield,
    Order,
    split_tags,
)
from deploy.sandbox.records.money import Money
from deploy.sandbox.records.orders import format_order, order_body
from deploy.sandbox.records.timestamps import PER_S, Stamp

__all__ = [
    "PER_S",
    "Address",
    "Customer",
    "Dialect",
    "Group",
    "Metafield",
    "Money",
    "Order",
    "Stamp",
    "admin",
    "format_order",
    "geography",
    "metafields",
    "money",
    "omni",
    "order_body",
    "split_tags",
    "timestamps",
]
