"""Set any field of a customer by hand, by its name in the Omni record, without the limits of the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from deploy.sandbox.records import Address, Customer, geography, money, split_tags, timestamps
from deploy.sandbox.shop import validation
from deploy.sandbox.shop.shop import Shop

_MOMENTS = {"created_at", "updated_at", "birthday", "last_order_date"}
_AMOUNTS = {"total_spent", "total_paid"}
_PLACE = {
    "country",
    "country_code",
    "province",
    "province_code",
    "district",
    "district_code",
    "ward",
    "ward_code",
}


def apply_edits(shop: Shop, customer: Customer, fields: dict[str, Any]) -> Customer:
    """`customer` with these fields set. Values are converted but not checked.

    Times may be text, date, datetime or seconds; amounts any number; tags text or an iterable.
    `province="Hà Nội"` and similar fields change the default address; `default_address=None` removes
    all addresses. Raises TypeError for an unknown field.
    """
    unknown = set(fields) - set(Customer.__struct_fields__) - _PLACE - {"default_address"}
    if unknown:
        raise TypeError(f"a customer has no field {', '.join(sorted(unknown))}")
    plain = {key: value for key, value in fields.items() if key not in _PLACE | {"default_address"}}
    done = replace(customer, **{key: _parse(shop, key, value) for key, value in plain.items()})
    if "default_address" in fields:
        given = fields["default_address"]
        done = replace(
            done, addresses=validation.parse_addresses(shop, [given | {"default": True}] if given else [])
        )
    place = {key: fields[key] for key in _PLACE & set(fields)}
    return _moved(shop, done, place) if place else done


def _moved(shop: Shop, customer: Customer, place: dict[str, Any]) -> Customer:
    home = customer.default_address or Address(
        shop.counters.take("address"), country_code="vn", country="Vietnam", default=True
    )
    others = tuple(address for address in customer.addresses if not address.default)
    return replace(customer, addresses=(geography.move_address(home, place), *others))


def _parse(shop: Shop, key: str, value: Any) -> Any:
    if key in _MOMENTS:
        return timestamps.from_value(value, shop.birth_zone if key == "birthday" else shop.zone)
    if key in _AMOUNTS:
        return None if value is None else money.parse(value)
    if key == "tags":
        return split_tags(value) if isinstance(value, str | None) else _unique(value)
    if key == "addresses":
        return validation.parse_addresses(shop, value or [])
    if key == "metafields":
        return validation.merge_metafields((), value or [])
    return value.lower() if key == "state" and value else value


def _unique(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))
