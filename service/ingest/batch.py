"""Batches: the events of one shop in one script call, with the requests that wait for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from service.domain.customers import OrgId
from service.errors import StoreUnavailable
from service.store.queue import DirtyEvent

Acknowledgement = asyncio.Future[StoreUnavailable | None]  # None: the server confirmed the write


@dataclass(slots=True)
class ShopBatch:
    """The events of one shop in one script call."""

    org: OrgId
    opened_s: float  # perf_counter() when the first event was added
    events: list[DirtyEvent] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)  # the metric label of each event
    acknowledgements: list[Acknowledgement] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)  # the outcome of each event, once the batch is written
    duplicates: int = 0
    is_settled: bool = False
    error: StoreUnavailable | None = None

    def add(self, event: DirtyEvent, topic: str, loop: asyncio.AbstractEventLoop) -> Acknowledgement:
        """Add an event. Its acknowledgement is done when the batch is settled."""
        acknowledgement: Acknowledgement = loop.create_future()
        self.events.append(event)
        self.topics.append(topic)
        self.acknowledgements.append(acknowledgement)
        return acknowledgement

    def settle(self, error: StoreUnavailable | None) -> None:
        """Set the result of every acknowledgement."""
        self.is_settled, self.error = True, error
        for acknowledgement in self.acknowledgements:
            if not acknowledgement.done():  # done: the request was cancelled
                acknowledgement.set_result(error)


@dataclass(frozen=True, slots=True)
class Flush:
    """The batches of one round trip."""

    batches: list[ShopBatch]
    took_s: float  # from the first event to the acknowledgement
    write_s: float  # the part of the round trip
    error: StoreUnavailable | None = None
