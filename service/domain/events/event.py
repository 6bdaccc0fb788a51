"""An event as a receiver gets it: its type, its time, and as little about a person as will do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, get_args

import msgspec

from service.domain.customers import CustomerId, OrgId

EventType = Literal["customer.tagged", "customer.untagged", "rules.published", "shop.paused"]
EVENT_TYPES: Final[tuple[EventType, ...]] = get_args(EventType)


class Event(NamedTuple):
    """One event. `id` is the same for every attempt and every replay, so that a receiver can tell a repeat."""

    id: str
    type: EventType
    at_ms: int
    data: dict[str, Any]


def message_id(org: OrgId, source: str, entry: str) -> str:
    """The id of the event from an entry of a stream of the shop. It has no full stop, as the signature requires."""
    return f"{source}_{org}_{entry}"


def tag_event(
    org: OrgId, entry: str, *, is_added: bool, customer: CustomerId, tag: str, rule: str, version: int
) -> Event:
    """We added a tag to a customer, or removed one. `entry` is the id of the ledger's entry."""
    return Event(
        message_id(org, "tag", entry),
        "customer.tagged" if is_added else "customer.untagged",
        int(entry.partition("-")[0]),
        {"org": org, "customer_id": customer, "tag": tag, "rule": rule, "version": version},
    )


def encode_body(event: Event) -> bytes:
    """The body of the request, as Standard Webhooks recommends it."""
    at = datetime.fromtimestamp(event.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return _ENCODE({"type": event.type, "timestamp": at.replace("+00:00", "Z"), "data": event.data})


_ENCODE: Final = msgspec.json.Encoder().encode
