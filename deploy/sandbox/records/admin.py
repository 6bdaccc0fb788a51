"""Customers in the format of the older API (`/admin`), exactly as the admin seed shows them."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from deploy.sandbox.records import money, timestamps
from deploy.sandbox.records.models import Address, Customer


def customer(record: Customer, zone: ZoneInfo) -> dict[str, Any]:
    """The record as the older API returns it: money as text, no tags as "", times in the shop's zone."""
    return embedded(record, zone) | {"addresses": [address(item) for item in record.addresses]}


def embedded(record: Customer, zone: ZoneInfo) -> dict[str, Any]:
    """The customer inside an order: without the list of addresses."""
    default = record.default_address
    return {
        "accepts_marketing": record.accepts_marketing,
        "created_at": timestamps.format_admin(record.created_at, zone),
        "email": record.email,
        "first_name": record.first_name,
        "id": record.id,
        "last_name": record.last_name,
        "last_order_id": record.last_order_id,
        "multipass_identifier": record.multipass_identifier,
        "note": record.note,
        "orders_count": record.orders_count,
        "state": record.state,
        "total_spent": None if record.total_spent is None else money.format_admin(record.total_spent),
        "updated_at": timestamps.format_admin(record.updated_at, zone),
        "verified_email": record.verified_email,
        "tags": ", ".join(record.tags),
        "last_order_name": record.last_order_name,
        "default_address": address(default) if default else None,
    }


def address(record: Address) -> dict[str, Any]:
    """`name` is first name, space, last name, or "" if both are missing."""
    return {
        "address1": record.address1,
        "address2": record.address2,
        "city": record.city,
        "company": record.company,
        "country": record.country,
        "first_name": record.first_name,
        "id": record.id,
        "last_name": record.last_name,
        "phone": record.phone,
        "province": record.province,
        "zip": record.zip,
        "name": " ".join(part for part in (record.first_name, record.last_name) if part),
        "province_code": record.province_code,
        "country_code": record.country_code.upper() if record.country_code else record.country_code,
        "country_name": record.country,
        "default": record.default,
    }
