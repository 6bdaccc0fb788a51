"""Follows what the service does: a customer's turn after something happened, and the counts of the whole run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.demonstration.stage import ORG, Stage
from deploy.waiting import until
from service.domain.customers import CustomerId
from service.store import keys, ledger, queue
from service.store.ledger import Written

TURN_WITHIN_S: Final = 20.0
PATIENCE_S: Final = 30.0  # nothing moves for so long: something is wrong
SOON_MS: Final = 60_000  # whoever is due later than that is right by now, and only looked at once more
WRITES: Final = frozenset({"POST tags", "DELETE tags", "PUT customer"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one happening. `after_s`: from the moment it happened to the first write at Haravan, or to the
    decision that there is nothing to write; None when it was not seen in time."""

    written: tuple[Written, ...]
    after_s: float | None


@dataclass(slots=True)
class Tally:
    """Tags written and echoes seen so far, counted as the ledger and the record of deliveries grow."""

    added: int = 0
    removed: int = 0
    echoes: int = 0
    customers: set[int] = field(default_factory=set)
    _written: str = "-"
    _delivered: str = "-"

    async def read(self, stage: Stage) -> None:
        """Count what is new since the last reading."""
        async for each in ledger.since(stage.redis, ORG, after=self._written):
            self.added += each.entry.action == "+"
            self.removed += each.entry.action == "-"
            self.customers.add(each.customer)
            self._written = f"({each.id}"
        client: Any = stage.redis
        for id_, fields in await client.xrange(keys.shop(ORG, "deliveries"), min=self._delivered):
            self.echoes += fields[b"outcomes"].split(b",").count(b"echo")
            self._delivered = f"({id_.decode()}"


async def outcome(stage: Stage, customer: int, *, began: float) -> Outcome:
    """Wait until the webhook about this customer was answered and its turn is over."""

    async def turn_is_over() -> bool:
        return _answered(stage, customer, began=began) is not None and not await _waits(stage, customer)

    in_time = await until(turn_is_over, within_s=TURN_WITHIN_S)
    if not in_time:
        return Outcome((), None)
    entries = await ledger.of_customer(stage.redis, ORG, CustomerId(customer))
    # The ledger tells time as the store does: the same clock as ours, on the same machine.
    new = tuple(each for each in reversed(entries) if each.at_ms >= began * 1000 - 1)
    first = first_write(stage, customer, began=began)
    return Outcome(new, (first or stage.haravan.shop.clock()) - began)


def first_write(stage: Stage, customer: int, *, began: float) -> float | None:
    """When Haravan got the first write of tags for this customer since then."""
    found = None
    for call in reversed(stage.haravan.calls.last):
        if call.at < began:
            break
        if call.customer == customer and call.endpoint in WRITES:
            found = call.at
    return found


async def left_to_do(stage: Stage) -> int:
    """How many customers wait for their turn."""
    return await queue.count_due(stage.redis, ORG, until_ms=_soon_ms())


async def _waits(stage: Stage, customer: int) -> bool:
    """Is the customer marked, and not merely to be looked at once more in some minutes?"""
    client: Any = stage.redis
    due = await client.zscore(keys.shop(ORG, "delayed"), str(customer))
    marked = await client.exists(keys.shop(ORG, f"mark:{customer}"))
    return bool(marked) and (due is None or due <= _soon_ms())


def _soon_ms() -> int:
    return int(time.time() * 1000) + SOON_MS


async def settled(stage: Stage, *, patience_s: float = PATIENCE_S) -> bool:
    """Wait until Haravan has sent everything and no customer is marked; False when nothing moves for so long."""
    moved, before = time.monotonic(), -1
    while True:
        left = stage.haravan.deliveries.pending + await left_to_do(stage)
        if not left:
            return True
        if left != before:
            moved, before = time.monotonic(), left
        elif time.monotonic() - moved > patience_s:
            return False
        await asyncio.sleep(0.1)


def percentile(values: Iterable[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


def _answered(stage: Stage, customer: int, *, began: float) -> int | None:
    """The status of the first delivery about this customer that was sent since then."""
    found = None
    for sent in reversed(stage.haravan.deliveries.log):
        if sent.when < began:
            break
        if sent.customer == customer and sent.status is not None:
            found = sent.status
    return found
