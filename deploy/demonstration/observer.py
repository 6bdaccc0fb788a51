"""Observes the service: the result of each event, and the statistics of the whole run."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.demonstration.environment import ORG, DemoEnvironment
from deploy.local import until
from service.domain.customers import CustomerId
from service.store.client import keys
from service.store.history import Delivery, DeliveryFilter, LedgerRow, deliveries, ledger
from service.store.queue import count_due

RESULT_TIMEOUT_S: Final = 20.0
STALL_TIMEOUT_S: Final = 30.0  # without progress for this long, something is wrong
SOON_MS: Final = 60_000  # a longer delay is only a later check: the tags are written already
WRITES: Final = frozenset({"POST tags", "DELETE tags", "PUT customer"})


@dataclass(frozen=True, slots=True)
class EventResult:
    """What the service did after one event.

    `after_s` is the time from the event to the first write at Haravan, or to the decision that nothing must be
    written; None if neither happened in time.
    """

    written: tuple[LedgerRow, ...]
    after_s: float | None


@dataclass(slots=True)
class Stats:
    """Tag writes and echoes so far, counted from the ledger and the delivery records."""

    added: int = 0
    removed: int = 0
    echoes: int = 0
    customers: set[int] = field(default_factory=set)
    _last_written: str = "-"
    _last_delivery: tuple[int, ...] = (0,)

    async def update(self, environment: DemoEnvironment) -> None:
        """Count what is new since the last update."""
        async for row in ledger.iterate(environment.redis, ORG, after=self._last_written):
            self.added += row.entry.action == "+"
            self.removed += row.entry.action == "-"
            self.customers.add(row.customer)
            self._last_written = f"({row.id}"
        for delivery in await _deliveries_since(environment, self._last_delivery):
            self.echoes += delivery.outcome == "echo"
            self._last_delivery = max(self._last_delivery, _position(delivery))


async def wait_for_result(environment: DemoEnvironment, customer: int, *, began: float) -> EventResult:
    """Wait until the webhook about this customer was answered and the customer is no longer in the queue."""

    async def is_done() -> bool:
        if _first_status(environment, customer, began=began) is None:
            return False
        return not await _is_queued(environment, customer)

    in_time = await until(is_done, within_s=RESULT_TIMEOUT_S)
    if not in_time:
        return EventResult((), None)
    entries = await ledger.list_for_customer(environment.redis, ORG, CustomerId(customer))
    # the ledger has the time of the Redis server, which has the same clock: it is on this machine
    new = tuple(row for row in reversed(entries) if row.at_ms >= began * 1000 - 1)
    first = first_write(environment, customer, began=began)
    return EventResult(new, (first or environment.haravan.shop.clock()) - began)


def first_write(environment: DemoEnvironment, customer: int, *, began: float) -> float | None:
    """The time of the first tag write for this customer since `began`."""
    first = None
    for call in reversed(environment.haravan.calls.last):
        if call.at < began:
            break
        if call.customer == customer and call.endpoint in WRITES:
            first = call.at
    return first


async def queue_length(environment: DemoEnvironment) -> int:
    """How many customers wait in the queue."""
    return await count_due(environment.redis, ORG, until_ms=_soon_ms())


async def _is_queued(environment: DemoEnvironment, customer: int) -> bool:
    """Whether the customer is in the queue, not counting a delayed check."""
    client: Any = environment.redis
    due = await client.zscore(keys.shop(ORG, "delayed"), str(customer))
    marked = await client.exists(keys.shop(ORG, f"mark:{customer}"))
    return bool(marked) and (due is None or due <= _soon_ms())


def _soon_ms() -> int:
    return int(time.time() * 1000) + SOON_MS


async def wait_idle(environment: DemoEnvironment, *, stall_timeout_s: float = STALL_TIMEOUT_S) -> bool:
    """Wait until all webhooks are delivered and the queue is empty. False if there is no progress for too long."""
    changed, before = time.monotonic(), -1
    while True:
        waiting = environment.haravan.deliveries.pending + await queue_length(environment)
        if not waiting:
            return True
        if waiting != before:
            changed, before = time.monotonic(), waiting
        elif time.monotonic() - changed > stall_timeout_s:
            return False
        await asyncio.sleep(0.1)


async def _deliveries_since(environment: DemoEnvironment, last: tuple[int, ...]) -> list[Delivery]:
    newest_first: list[Delivery] = []
    before: str | None = None
    while True:
        page = await deliveries.list_deliveries(
            environment.redis, ORG, DeliveryFilter(last[0]), before=before, limit=1000
        )
        newest_first += page.deliveries
        before = page.before
        if before is None:
            return [delivery for delivery in newest_first if _position(delivery) > last]


def _position(delivery: Delivery) -> tuple[int, ...]:
    """The numbers of the delivery's id, by which deliveries are ordered."""
    return tuple(map(int, delivery.id.replace(".", "-").split("-")))


def _first_status(environment: DemoEnvironment, customer: int, *, began: float) -> int | None:
    """The status of the first delivery about this customer since `began`."""
    status = None
    for sent in reversed(environment.haravan.deliveries.log):
        if sent.when < began:
            break
        if sent.customer == customer and sent.status is not None:
            status = sent.status
    return status
