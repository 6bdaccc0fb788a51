"""Create and update requests: what they may change on a customer, and what the API rejects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from deploy.sandbox.records import Address, Customer, Dialect, Metafield, geography, split_tags, timestamps
from deploy.sandbox.shop.shop import Shop

_TEXTS = ("first_name", "last_name", "email", "phone", "note", "multipass_identifier")
_ADDRESSES_KEPT = 10  # seeds: "A list of the ten most recently updated addresses"


class ValidationError(Exception):
    """The API rejects the request with `status` and `errors`."""

    def __init__(self, errors: dict[str, list[str]] | str, *, status: int = 422) -> None:
        super().__init__(errors)
        self.errors = errors
        self.status = status


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
        done["metafields"] = merge_metafields(old.metafields if old else (), given["metafields"] or [])
    return done


def _birthday(shop: Shop, value: Any) -> timestamps.Stamp | None:
    try:
        return timestamps.from_value(value or None, shop.birth_zone)
    except (ValueError, TypeError) as exc:
        raise ValidationError({"birthday": ["is not a date"]}) from exc


def parse_addresses(shop: Shop, given: list[dict[str, Any]]) -> tuple[Address, ...]:
    """The addresses of a request. The first is the default, unless another one says so."""
    made = [_address(shop, item) for item in given[:_ADDRESSES_KEPT]]
    if made and not any(address.default for address in made):
        made[0] = replace(made[0], default=True)
    return tuple(made)


def merge_metafields(old: tuple[Metafield, ...], given: list[dict[str, Any]]) -> tuple[Metafield, ...]:
    """The metafields after an update: one for each namespace and key (admin seed: metafield)."""
    kept = {(item.namespace, item.key): item for item in old}
    for item in given:
        made = _metafield(item)
        kept[made.namespace, made.key] = made
    return tuple(kept.values())


def _metafield(given: dict[str, Any]) -> Metafield:
    try:
        made = msgspec.convert(given, Metafield)
    except msgspec.ValidationError as exc:
        raise ValidationError({"metafields": [str(exc)]}) from exc
    if len(made.key) > 30 or len(made.namespace) > 20 or made.value_type not in {"string", "integer"}:
        raise ValidationError(
            {"metafields": ["key: at most 30, namespace: at most 20, value_type: string or integer"]}
        )
    return made


def _address(shop: Shop, given: dict[str, Any]) -> Address:
    known = {key: value for key, value in given.items() if key in Address.__struct_fields__}
    named = geography.complete_address(known | {"id": known.get("id") or shop.counters.take("address")})
    try:
        return msgspec.convert(named, Address)
    except msgspec.ValidationError as exc:
        raise ValidationError({"addresses": [str(exc)]}) from exc


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
