"""Outgoing events: what a receiver is told, how a request is signed, and what follows from an answer."""

from service.domain.events.endpoint import (
    MAX_ENDPOINTS,
    Answer,
    Decision,
    DisabledReason,
    Endpoint,
    EndpointState,
    SealedSecret,
    after_answer,
    is_due,
    next_state,
    rotated,
    valid_secrets,
)
from service.domain.events.event import EVENT_TYPES, Event, EventType, encode_body, message_id, tag_event
from service.domain.events.signature import SECRET_BYTES, SECRET_PREFIX, new_secret, sign

__all__ = [
    "EVENT_TYPES",
    "MAX_ENDPOINTS",
    "SECRET_BYTES",
    "SECRET_PREFIX",
    "Answer",
    "Decision",
    "DisabledReason",
    "Endpoint",
    "EndpointState",
    "Event",
    "EventType",
    "SealedSecret",
    "after_answer",
    "encode_body",
    "is_due",
    "message_id",
    "new_secret",
    "next_state",
    "rotated",
    "sign",
    "tag_event",
    "valid_secrets",
]
