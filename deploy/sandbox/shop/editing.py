"""Set any field of a customer by hand, by its name in the Omni record, without the limits of the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_type_hints

import msgspec
from msgspec.structs import replace

from deploy.sandbox.errors import Refused, no_such
from deploy.sandbox.records import Address, Customer, geography, metafields, money, split_tags, timestamps
from deploy.sandbox.shop import validation
from deploy.sandbox.shop.shop import Shop

_MOMENTS = {"created_at", "updated_at", "birthday", "last_order_date", "at"}
_AMOUNTS = {"total_spent", "total_paid"}
_HINTS = get_type_hints(Customer)
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
_FIELDS = (*Customer.__struct_fields__, "default_address", *sorted(_PLACE))


def apply_edits(shop: Shop, customer: Customer, fields: dict[str, Any]) -> Customer:
    """`customer` with these fields set. Values are converted but not checked.

    Times may be text, date, datetime or seconds; amounts any number; tags text or an iterable.
    `province="Hà Nội"` and similar fields change the default address; `default_address=None` removes
    all addresses. Raises Refused for an unknown field, or a value that the field cannot have.
    """
    for name in fields:
        if name not in _FIELDS:
            raise Refused(no_such("field of a customer", name, _FIELDS))
    plain = {key: value for key, value in fields.items() if key not in _PLACE | {"default_address"}}
    done = replace(customer, **{key: parse_field(shop, key, value) for key, value in plain.items()})
    if "default_address" in fields:
        given = fields["default_address"]
        if not isinstance(given, dict | None):
            raise Refused("default_address must be an object or null")
        done = replace(
            done, addresses=validation.parse_addresses(shop, [given | {"default": True}] if given else [])
        )
    place = {key: fields[key] for key in _PLACE & set(fields)}
    for name, value in place.items():
        if not isinstance(value, str | None):
            raise Refused(f"{name} must be a text or null")
    return _moved(shop, done, place) if place else done


def _moved(shop: Shop, customer: Customer, place: dict[str, Any]) -> Customer:
    home = customer.default_address or Address(
        shop.counters.take("address"), country_code="vn", country="Vietnam", default=True
    )
    others = tuple(address for address in customer.addresses if not address.default)
    return replace(customer, addresses=(geography.move_address(home, place), *others))


def parse_field(shop: Shop, name: str, value: Any) -> Any:
    """The value as a customer holds it. Raises Refused if the field cannot have it."""
    try:
        return _parse(shop, name, value)
    except (ValueError, TypeError, ArithmeticError, OSError) as exc:
        if isinstance(exc, Refused):
            raise
        raise Refused(f"{name} cannot be {value!r}") from exc


def _parse(shop: Shop, name: str, value: Any) -> Any:
    if name in _MOMENTS:
        return timestamps.from_value(value, shop.birth_zone if name == "birthday" else shop.zone)
    if name in _AMOUNTS:
        return None if value is None else money.parse(value)
    if name == "tags":
        return split_tags(value) if isinstance(value, str | None) else _unique(value)
    if name == "addresses":
        return validation.parse_addresses(shop, value or [])
    if name == "metafields":
        origin = metafields.Origin(shop.now(), lambda: shop.counters.take("metafield"))
        return metafields.merge((), value or [], origin)
    known = msgspec.convert(value, _HINTS[name])  # raises a ValueError
    return known.lower() if name == "state" and known else known


def _unique(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))
