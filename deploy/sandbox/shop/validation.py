"""Create and update requests: what they may change on a customer, and what the API rejects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_type_hints

import msgspec
from msgspec.structs import replace

from deploy.sandbox.errors import ValidationError
from deploy.sandbox.records import Address, Customer, Dialect, geography, metafields, split_tags, timestamps
from deploy.sandbox.shop.shop import Shop

_TEXTS = ("first_name", "last_name", "email", "phone", "note", "multipass_identifier")
_ADDRESS_HINTS = {**get_type_hints(Address), "id": int | None}
_ADDRESSES_KEPT = 10  # seeds: "A list of the ten most recently updated addresses"


def create(shop: Shop, given: dict[str, Any], dialect: Dialect) -> Customer:
    """Create the customer that the request describes. Raises ValidationError.

    The Omni API enables every new account and ignores `verified_email`; the older API enables an
    account only if the request has a password (seeds: Create).
    """
    at = shop.now()
    enabled = dialect == "omni" or bool(given.get("password"))
    blank = Customer(
        shop.counters.take("customer"),
        created_at=at,
        updated_at=at + 108,  # the seed shows this difference between the two times of one creation
        state="enabled" if enabled else "disabled",
    )
    return shop.add(validate(shop, replace(blank, **parse_changes(shop, given, dialect))))


def update(shop: Shop, customer: Customer, given: dict[str, Any], dialect: Dialect) -> Customer:
    """Apply an update request. Raises ValidationError."""
    wanted = replace(customer, **parse_changes(shop, given, dialect, old=customer))
    return shop.change(validate(shop, wanted))


def validate(shop: Shop, customer: Customer) -> Customer:
    """Return the customer unchanged if the shop accepts it. Raises ValidationError."""
    if not (customer.first_name or customer.last_name or customer.email):
        raise ValidationError({"base": ["Customer must have a name or email address"]})
    taken = {
        "email": shop.store.by_email(customer.email) if customer.email else None,
        "phone": shop.store.by_phone(customer.phone) if customer.phone else None,
    }
    errors = {
        key: ["has already been taken"] for key, other in taken.items() if other not in (None, customer.id)
    }
    if errors:
        raise ValidationError(errors)
    return customer


def parse_changes(
    shop: Shop, given: dict[str, Any], dialect: Dialect, *, old: Customer | None = None
) -> dict[str, Any]:
    """The fields of the record that a request changes. Read-only fields are ignored."""
    done: dict[str, Any] = {key: _text(key, given[key]) for key in _TEXTS if key in given}
    for key in ("accepts_marketing", "verified_email"):
        if key in given and (key != "verified_email" or dialect == "admin"):
            done[key] = _flag(key, given[key])
    for key, read in _READERS.items():
        if key in given:
            done[key] = read(given[key])
    if "birthday" in given:
        done["birthday"] = _birthday(shop, given["birthday"])
    if "addresses" in given:
        done["addresses"] = parse_addresses(shop, given["addresses"] or [])
    if "metafields" in given:
        origin = metafields.Origin(shop.now(), lambda: shop.counters.take("metafield"))
        done["metafields"] = metafields.merge(
            old.metafields if old else (), given["metafields"] or [], origin
        )
    return done


def _birthday(shop: Shop, value: Any) -> timestamps.Stamp | None:
    try:
        return timestamps.from_value(value or None, shop.birth_zone)
    except (ValueError, TypeError) as exc:
        raise ValidationError({"birthday": ["is not a date"]}) from exc


def parse_addresses(shop: Shop, given: Any) -> tuple[Address, ...]:
    """The addresses of a request. The first is the default, unless another one says so. Raises ValidationError."""
    if not isinstance(given, list | tuple) or not all(isinstance(item, dict) for item in given):
        raise ValidationError({"addresses": ["is not a list of addresses"]})
    made = [_address(shop, item) for item in given[:_ADDRESSES_KEPT]]
    if made and not any(address.default for address in made):
        made[0] = replace(made[0], default=True)
    return tuple(made)


def _address(shop: Shop, given: dict[str, Any]) -> Address:
    known = {
        key: value
        for key, value in given.items()
        if key in _ADDRESS_HINTS and (key, value) != ("default", None)
    }
    for key, value in known.items():
        try:
            msgspec.convert(value, _ADDRESS_HINTS[key])
        except msgspec.ValidationError as exc:
            raise ValidationError({f"addresses.{key}": ["is invalid"]}) from exc
    named = geography.complete_address(known | {"id": known.get("id") or shop.counters.take("address")})
    return msgspec.convert(named, Address)


def _text(key: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValidationError({key: ["is not a string"]})
    return (value or "").strip() or None


def _flag(key: str, value: Any) -> bool:
    if value in (True, False, "true", "false"):
        return value in (True, "true")
    raise ValidationError({key: ["is neither true nor false"]})


def _tags(value: Any) -> tuple[str, ...]:
    if value is None or isinstance(value, str):
        return split_tags(value)
    raise ValidationError({"tags": ["is not a string"]})


def _gender(value: Any) -> int | None:
    if value in (None, 0, 1) and not isinstance(value, bool):
        return value  # type: ignore[no-any-return]
    raise ValidationError({"gender": ["is not null, 0 or 1"]})


_READERS: dict[str, Callable[[Any], Any]] = {"tags": _tags, "gender": _gender}
