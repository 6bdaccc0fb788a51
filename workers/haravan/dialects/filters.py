"""Query parameters: how values are written, and what must never be sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from service.errors import Refused

Value = str | int | datetime | Sequence[str] | Sequence[int] | None


def filters(**values: Value) -> dict[str, str]:
    """The parameters that are set, as texts; None is left out.

    Raises Refused for a blank one: Haravan answers it with arbitrary customers (haravan.md, API).
    """
    return {name: _written(name, value) for name, value in values.items() if value is not None}


def chosen(fields: Sequence[str] | None) -> Sequence[str] | None:
    """`fields` with the id, without which nobody knows whose record it is."""
    return fields if fields is None or "id" in fields else ("id", *fields)


def sendable(tags: Sequence[str]) -> Sequence[str]:
    """The tags as they are, if the API can take them: it reads one string, split at commas."""
    for tag in tags:
        if not tag.strip() or "," in tag:
            raise Refused("a tag is neither blank nor holds a comma")
    return tags


def _written(name: str, value: Value) -> str:
    text = _moment(name, value) if isinstance(value, datetime) else _text(value)
    if not text.strip(", "):
        raise Refused(f"{name} is blank; Haravan would answer with arbitrary customers")
    return text


def _text(value: Value) -> str:
    if isinstance(value, str | int):
        return str(value)
    return ",".join(map(str, value)) if isinstance(value, Sequence) else ""


def _moment(name: str, value: datetime) -> str:
    if value.tzinfo is None:
        raise Refused(f"{name} needs a time zone: the shop's and ours may differ")
    return value.isoformat(timespec="seconds")
