"""Metafields of a customer (admin seed: metafield): one for each namespace and key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from msgspec.structs import replace

from deploy.sandbox.errors import ValidationError
from deploy.sandbox.records import timestamps
from deploy.sandbox.records.models import Metafield

MAX_KEY_CHARS: Final = 30
MAX_NAMESPACE_CHARS: Final = 20
TYPES: Final = ("string", "integer")

Metafields = tuple[Metafield, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a new metafield gets: the time of the request, and the shop's next id."""

    at: timestamps.Stamp
    next_id: Callable[[], int]


def merge(old: Metafields, given: Any, origin: Origin) -> Metafields:
    """The metafields after a request with this list. Raises ValidationError."""
    if not isinstance(given, list):
        raise ValidationError({"metafields": ["is not a list"]})
    merged = old
    for item in given:
        try:
            merged, _ = put(merged, item, origin)
        except ValidationError as exc:
            errors = exc.errors.items() if isinstance(exc.errors, dict) else ()
            raise ValidationError(
                {"metafields": [f"{key} {text}" for key, texts in errors for text in texts]}
            ) from exc
    return merged


def put(old: Metafields, given: Any, origin: Origin) -> tuple[Metafields, Metafield]:
    """Add a metafield, or change the one with its namespace and key. Returns all, and this one."""
    if not isinstance(given, Mapping):
        raise ValidationError({"metafield": ["is not an object"]})
    namespace = _text(given, "namespace", MAX_NAMESPACE_CHARS)
    key = _text(given, "key", MAX_KEY_CHARS)
    before = next((item for item in old if (item.namespace, item.key) == (namespace, key)), None)
    if before is not None:
        return change(old, before, given, at=origin.at)
    value, value_type = _value(given)
    made = Metafield(
        origin.next_id(), namespace, key, value, value_type, _description(given), origin.at, origin.at
    )
    return (*old, made), made


def change(
    old: Metafields, metafield: Metafield, given: Any, *, at: timestamps.Stamp
) -> tuple[Metafields, Metafield]:
    """Change value, type and description; namespace and key stay. Returns all, and this one."""
    if not isinstance(given, Mapping):
        raise ValidationError({"metafield": ["is not an object"]})
    value, value_type = _value({"value": metafield.value, "value_type": metafield.value_type, **given})
    description = _description(given) if "description" in given else metafield.description
    changed = replace(metafield, value=value, value_type=value_type, description=description, updated_at=at)
    return tuple(changed if item.id == metafield.id else item for item in old), changed


def format_metafield(metafield: Metafield, owner: int, zone: tzinfo) -> dict[str, Any]:
    """The metafield as the older API shows it. The seed names its fields and shows no example."""
    return {
        "created_at": timestamps.format_admin(metafield.created_at, zone),
        "description": metafield.description,
        "id": metafield.id,
        "key": metafield.key,
        "namespace": metafield.namespace,
        "owner_id": owner,
        "owner_resource": "customer",
        "updated_at": timestamps.format_admin(metafield.updated_at, zone),
        "value": metafield.value,
        "value_type": metafield.value_type,
    }


def _text(given: Mapping[str, Any], name: str, max_chars: int) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValidationError({name: ["can't be blank"]})
    if len(value) > max_chars:
        raise ValidationError({name: [f"is too long (maximum is {max_chars} characters)"]})
    return value


def _description(given: Mapping[str, Any]) -> str | None:
    value = given.get("description")
    if value is not None and not isinstance(value, str):
        raise ValidationError({"description": ["is not a string"]})
    return value


def _value(given: Mapping[str, Any]) -> tuple[str | int, str]:
    value, value_type = given.get("value"), given.get("value_type")
    if value_type not in TYPES:
        raise ValidationError({"value_type": [f"is neither {' nor '.join(TYPES)}"]})
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValidationError({"value": ["can't be blank"]})
    if value_type == "string":
        return str(value), value_type
    try:
        return int(value), value_type
    except ValueError as exc:
        raise ValidationError({"value": ["is not an integer"]}) from exc
