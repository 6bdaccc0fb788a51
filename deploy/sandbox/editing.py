"""Setting anything on a customer by hand, in the words of the Omni record, as no API would allow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from . import intake, money, places, stamps
from .records import Address, Customer, split_tags
from .shop import Shop

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


def edited(shop: Shop, customer: Customer, fields: dict[str, Any]) -> Customer:
    """`customer` with these fields set, without any check of sense.

    Moments may be text, date, datetime or seconds; amounts anything that reads as a number; tags a text or
    an iterable; `province="Hà Nội"` and the like move the default address; `default_address=None` takes
    all addresses away. Raises TypeError for a field that no record has.
    """
    unknown = set(fields) - set(Customer.__struct_fields__) - _PLACE - {"default_address"}
    if unknown:
        raise TypeError(f"a customer has no {', '.join(sorted(unknown))}")
    plain = {key: value for key, value in fields.items() if key not in _PLACE | {"default_address"}}
    done = replace(customer, **{key: _read(shop, key, value) for key, value in plain.items()})
    if "default_address" in fields:
        given = fields["default_address"]
        done = replace(done, addresses=intake.addresses(shop, [given | {"default": True}] if given else []))
    place = {key: fields[key] for key in _PLACE & set(fields)}
    return _moved(shop, done, place) if place else done


def _moved(shop: Shop, customer: Customer, place: dict[str, Any]) -> Customer:
    home = customer.default_address or Address(
        shop.counters.take("address"), country_code="vn", country="Vietnam", default=True
    )
    others = tuple(one for one in customer.addresses if not one.default)
    return replace(customer, addresses=(places.moved(home, place), *others))


def _read(shop: Shop, key: str, value: Any) -> Any:
    if key in _MOMENTS:
        return stamps.of(value, shop.birth_zone if key == "birthday" else shop.zone)
    if key in _AMOUNTS:
        return None if value is None else money.of(value)
    if key == "tags":
        return split_tags(value) if isinstance(value, str | None) else _listed(value)
    if key == "addresses":
        return intake.addresses(shop, value or [])
    if key == "metafields":
        return intake.merged((), value or [])
    return value.lower() if key == "state" and value else value


def _listed(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))
