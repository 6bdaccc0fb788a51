"""Customers and groups in the format of today's API (`/com`), exactly as the Omni seed shows them."""

from __future__ import annotations

from typing import Any

import msgspec

from deploy.sandbox.records import money, timestamps
from deploy.sandbox.records.models import Address, Customer, Group

_NEW = msgspec.Raw(b"0.0")  # the create response prints 0.0, later reads print 0.0000


def customer(record: Customer, *, fresh: bool = False, coarse: bool = False) -> dict[str, Any]:
    """The record as the API returns it.

    `fresh`: the response to its creation, with all fractional digits and `0.0` for money. `coarse` cuts
    `updated_at` to milliseconds too; the seed does so only for `created_at`.
    """
    default = record.default_address
    created = record.created_at if fresh else timestamps.truncate_to_ms(record.created_at)
    updated = timestamps.truncate_to_ms(record.updated_at) if coarse else record.updated_at
    return {
        "accepts_marketing": record.accepts_marketing,
        "addresses": [address(item) for item in record.addresses],
        "created_at": timestamps.format_omni(created),
        "default_address": address(default) if default else None,
        "email": record.email,
        "phone": record.phone,
        "first_name": record.first_name,
        "id": record.id,
        "multipass_identifier": record.multipass_identifier,
        "last_name": record.last_name,
        "last_order_id": record.last_order_id,
        "last_order_name": record.last_order_name,
        "note": record.note,
        "orders_count": record.orders_count,
        "state": record.state.capitalize() if record.state else record.state,
        "tags": tags(record.tags),
        "total_spent": _NEW if fresh and not record.total_spent else _amount(record.total_spent),
        "total_paid": _amount(record.total_paid) if record.total_paid is not None else _NEW,
        "updated_at": timestamps.format_omni(updated),
        "verified_email": record.verified_email,
        "group_name": record.group_name,
        "birthday": timestamps.format_omni(record.birthday),
        "gender": record.gender,
        "last_order_date": timestamps.format_omni(record.last_order_date),
    }


def address(record: Address) -> dict[str, Any]:
    """`name` is last name, space, first name, even if one of them is missing: ` Haravan Demo`."""
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
        "name": f"{record.last_name or ''} {record.first_name or ''}",
        "province_code": record.province_code,
        "country_code": record.country_code,
        "default": record.default,
        "district": record.district,
        "district_code": record.district_code,
        "ward": record.ward,
        "ward_code": record.ward_code,
    }


def tags(names: tuple[str, ...]) -> str | None:
    return ",".join(names) or None


def group(record: Group) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "created_at": timestamps.format_omni(record.created_at),
        "updated_at": timestamps.format_omni(record.updated_at),
    }


def _amount(amount: money.Money | None) -> msgspec.Raw | None:
    return None if amount is None else msgspec.Raw(money.format_omni(amount))
