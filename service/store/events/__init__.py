"""Outgoing events: the endpoints of a shop, how far each is, and the events that are next.

The ledger is the outbox of tags: it is written in the step that settles a customer, so no event costs a drain anything."""

from service.store.events import endpoints, notices, outbox
from service.store.events.endpoints import DeadEvent
from service.store.events.outbox import Source

__all__ = ["DeadEvent", "Source", "endpoints", "notices", "outbox"]
