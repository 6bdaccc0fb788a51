"""The past of a shop: what happened before this store existed, written with the times at which it happened.

A drain appends to streams at the moment of the server. These functions append older entries, so the streams must be empty.
Only the demo has a past that the store did not see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgpack
import msgspec

from service.domain.customers import CustomerId, OrgId
from service.store.client import RedisClient, batched, keys
from service.store.history import DayCounts, day_counts
from service.store.jobs import Run
from service.store.queue import DeadLetter, DirtyEvent

BATCH_SIZE: Final = 500
MAX_DELIVERIES: Final = 50  # of a customer, as mark_dirty.lua keeps them
MAX_LEDGER_IDS: Final = 100  # of a customer, as settle.lua keeps them


@dataclass(frozen=True, slots=True)
class PastSettlement:
    """What a drain stored for a customer at a moment: the encoded state, ledger entries and manual changes (`+VIP`)."""

    at_ms: int
    customer: CustomerId
    snapshot: bytes
    owned: bytes
    holds: bytes
    next_change_day: int | None = None
    ledger_entries: tuple[bytes, ...] = ()
    drift: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PastDelivery:
    """A delivery with its outcome. Its id is `delivery_id(at_ms)`, so no two have the same moment."""

    at_ms: int
    event: DirtyEvent
    outcome: str


@dataclass(slots=True)
class Past:
    """Everything that happened, in order of time."""

    settlements: list[PastSettlement] = field(default_factory=list)
    deliveries: list[PastDelivery] = field(default_factory=list)
    days: list[DayCounts] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)  # that are done
    dead_letters: list[DeadLetter] = field(default_factory=list)  # that are open


def delivery_id(at_ms: int) -> str:
    """The id of a past delivery."""
    return f"{at_ms}-0.0"


async def save(redis: RedisClient, org: OrgId, past: Past) -> None:
    """Store the past of a shop that has none yet."""
    await _save_states(redis, org, past.settlements)
    await _append_changes(redis, org, past.settlements)
    await _append_deliveries(redis, org, past.deliveries)
    for counts in past.days:
        await day_counts.save_day(redis, org, counts)
    async with redis.pipeline(transaction=False) as pipe:
        for run in past.runs:
            _queue_run(pipe, org, run)
        for letter in past.dead_letters:
            packed = {"text": letter.text, "first": letter.first_ms, "last": letter.last_ms}
            packed |= {"count": letter.count, "transient": letter.transient}
            letters = msgspec.json.encode({letter.cause: packed})
            pipe.hset(keys.shop(org, "dead_letters"), str(letter.customer), letters)
        await pipe.execute()


async def _save_states(redis: RedisClient, org: OrgId, settlements: Sequence[PastSettlement]) -> None:
    """The last state of each customer."""
    last = {settlement.customer: settlement for settlement in settlements}
    for batch in batched([*last.values()], BATCH_SIZE):
        async with redis.pipeline(transaction=False) as pipe:
            for each in batch:
                customer = str(each.customer)
                pipe.hset(keys.shop(org, "snapshots"), customer, each.snapshot)
                for name, packed in (("owned", each.owned), ("holds", each.holds)):
                    if packed:
                        pipe.hset(keys.shop(org, name), customer, packed)
                if each.next_change_day is not None:
                    pipe.zadd(keys.shop(org, "schedule"), {customer: each.next_change_day})
            await pipe.execute()


async def _append_changes(redis: RedisClient, org: OrgId, settlements: Sequence[PastSettlement]) -> None:
    """The ledger and the manual changes, with their indexes by customer."""
    entries: defaultdict[CustomerId, list[str]] = defaultdict(list)
    touched: defaultdict[CustomerId, dict[str, int]] = defaultdict(dict)
    last_ms, number = 0, 0
    for batch in batched(settlements, BATCH_SIZE):
        async with redis.pipeline(transaction=False) as pipe:
            for each in batch:
                for entry in each.ledger_entries:
                    number = number + 1 if each.at_ms == last_ms else 0
                    last_ms, entry_id = each.at_ms, f"{each.at_ms}-{number}"
                    fields = {"customer": str(each.customer), "entry": entry}
                    pipe.xadd(keys.shop(org, "ledger"), fields, id=entry_id)
                    entries[each.customer].append(entry_id)
                for index, change in enumerate(each.drift):
                    fields = {"customer": str(each.customer), "tag": change}
                    pipe.xadd(keys.shop(org, "drift"), fields, id=f"{each.at_ms}-{index}")
                    sign = 1 if change[0] == "+" else -1
                    touched[each.customer][change[1:]] = sign * each.at_ms
            await pipe.execute()
    async with redis.pipeline(transaction=False) as pipe:
        for customer, ids in entries.items():
            joined = ",".join(ids[-MAX_LEDGER_IDS:])
            pipe.hset(keys.shop(org, "ledger_by_customer"), str(customer), joined)
        for customer, tags in touched.items():
            packed = msgpack.packb(tags, use_bin_type=False)
            pipe.hset(keys.shop(org, "drift_by_customer"), str(customer), packed)
        await pipe.execute()


async def _append_deliveries(redis: RedisClient, org: OrgId, deliveries: Sequence[PastDelivery]) -> None:
    """Each delivery is a record of its own."""
    by_customer: defaultdict[str, list[str]] = defaultdict(list)
    for batch in batched(deliveries, BATCH_SIZE):
        async with redis.pipeline(transaction=False) as pipe:
            for each in batch:
                record_id, _, _ = delivery_id(each.at_ms).partition(".")
                events = msgpack.packb([each.event], use_bin_type=False)
                fields = {"events": events, "outcomes": each.outcome}
                pipe.xadd(keys.shop(org, "deliveries"), fields, id=record_id)
                if each.event.customer:
                    by_customer[each.event.customer].append(delivery_id(each.at_ms))
            await pipe.execute()
    async with redis.pipeline(transaction=False) as pipe:
        for customer, ids in by_customer.items():
            listed = keys.shop(org, f"deliveries_by_customer:{customer}")
            pipe.rpush(listed, *ids[-MAX_DELIVERIES:])
            pipe.expire(listed, 30 * keys.DAY_S)
        await pipe.execute()


def _queue_run(pipe: Any, org: OrgId, run: Run) -> None:
    key = keys.shop(org, f"run:{run.id}")
    fields: dict[str, str | int] = {
        "kind": run.kind,
        "by": run.by,
        "reason": run.reason,
        "started_ms": run.started_ms,
        "total": run.total,
        "done": run.done,
        "added": run.added,
        "removed": run.removed,
        "version": run.version,
    }
    if run.selection:
        fields |= {"selection": run.selection, "deliveries": run.deliveries}
    pipe.hset(key, mapping=fields)
    pipe.expire(key, keys.RUN_DAYS * keys.DAY_S)
    pipe.zadd(keys.shop(org, "runs"), {run.id: run.started_ms})
    pipe.incr(keys.shop(org, "run_seq"))
