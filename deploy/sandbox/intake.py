"""What a request may write on a customer, and what the shop refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from . import places, stamps
from .records import Address, Customer, Metafield, split_tags
from .shop import Shop

Dialect = Literal["omni", "admin", "webhook"]

_TEXTS = ("first_name", "last_name", "email", "phone", "note", "multipass_identifier")
_ADDRESSES_KEPT = 10  # seeds: "A list of the ten most recently updated addresses"


class Invalid(Exception):
    """The request cannot be done. `errors` is what the answer says, `status` with what."""

    def __init__(self, errors: dict[str, list[str]] | str, *, status: int = 422) -> None:
        super().__init__(errors)
        self.errors = errors
        self.status = status


def create(shop: Shop, given: dict[str, Any], dialect: Dialect) -> Customer:
    """Make the customer that a create request describes and take it in.

    The Omni API enables every new account and never takes `verified_email`; the older one enables
    an account that comes with a password (seeds: Create). Raises Invalid.
    """
    at = shop.now()
    enabled = dialect == "omni" or bool(given.get("password"))
    blank = Customer(
        shop.counters.take("customer"),
        created_at=at,
        updated_at=at + 108,  # the seed's own gap between the two moments of one creation
        state="enabled" if enabled else "disabled",
    )
    return shop.add(checked(shop, replace(blank, **changes(shop, given, dialect))))


def update(shop: Shop, customer: Customer, given: dict[str, Any], dialect: Dialect) -> Customer:
    """Carry out an update request. Raises Invalid."""
    wanted = replace(customer, **changes(shop, given, dialect, old=customer))
    return shop.change(checked(shop, wanted))


def checked(shop: Shop, customer: Customer) -> Customer:
    """The customer itself, if it may stand in this shop. Raises Invalid."""
    if not (customer.first_name or customer.last_name or customer.email):
        raise Invalid({"base": ["Customer must have a name or email address"]})
    taken = {
        "email": shop.store.by_email(customer.email) if customer.email else None,
        "phone": shop.store.by_phone(customer.phone) if customer.phone else None,
    }
    errors = {
        key: ["has already been taken"] for key, other in taken.items() if other not in (None, customer.id)
    }
    if errors:
        raise Invalid(errors)
    return customer


def changes(
    shop: Shop, given: dict[str, Any], dialect: Dialect, *, old: Customer | None = None
) -> dict[str, Any]:
    """The fields of the record that a request changes; what the API does not let anyone write is passed over."""
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
        done["addresses"] = addresses(shop, given["addresses"] or [])
    if "metafields" in given:
        done["metafields"] = merged(old.metafields if old else (), given["metafields"] or [])
    return done


def _birthday(shop: Shop, value: Any) -> stamps.Stamp | None:
    try:
        return stamps.of(value or None, shop.birth_zone)
    except (ValueError, TypeError) as exc:
        raise Invalid({"birthday": ["is not a date"]}) from exc


def addresses(shop: Shop, given: list[dict[str, Any]]) -> tuple[Address, ...]:
    """Addresses as a request lists them; the first is the default one unless another says so."""
    made = [_address(shop, one) for one in given[:_ADDRESSES_KEPT]]
    if made and not any(one.default for one in made):
        made[0] = replace(made[0], default=True)
    return tuple(made)


def merged(old: tuple[Metafield, ...], given: list[dict[str, Any]]) -> tuple[Metafield, ...]:
    """The metafields after an update: one for each namespace and key (admin seed: metafield)."""
    kept = {(one.namespace, one.key): one for one in old}
    for one in given:
        made = _metafield(one)
        kept[made.namespace, made.key] = made
    return tuple(kept.values())


def _metafield(given: dict[str, Any]) -> Metafield:
    try:
        made = msgspec.convert(given, Metafield)
    except msgspec.ValidationError as exc:
        raise Invalid({"metafields": [str(exc)]}) from exc
    if len(made.key) > 30 or len(made.namespace) > 20 or made.value_type not in {"string", "integer"}:
        raise Invalid(
            {"metafields": ["key: at most 30, namespace: at most 20, value_type: string or integer"]}
        )
    return made


def _address(shop: Shop, given: dict[str, Any]) -> Address:
    known = {key: value for key, value in given.items() if key in Address.__struct_fields__}
    named = places.filled(known | {"id": known.get("id") or shop.counters.take("address")})
    try:
        return msgspec.convert(named, Address)
    except msgspec.ValidationError as exc:
        raise Invalid({"addresses": [str(exc)]}) from exc


def _text(key: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise Invalid({key: ["is not a text"]})
    return (value or "").strip() or None


def _flag(key: str, value: Any) -> bool:
    if value in (True, False, "true", "false"):
        return value in (True, "true")
    raise Invalid({key: ["is neither true nor false"]})


def _tags(value: Any) -> tuple[str, ...]:
    if value is None or isinstance(value, str):
        return split_tags(value)
    raise Invalid({"tags": ["is not a text"]})


def _gender(value: Any) -> int | None:
    if value in (None, 0, 1) and not isinstance(value, bool):
        return value  # type: ignore[no-any-return]
    raise Invalid({"gender": ["is not null, 0 or 1"]})


_READERS: dict[str, Callable[[Any], Any]] = {"tags": _tags, "gender": _gender}
