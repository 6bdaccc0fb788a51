"""Marks: a mark says that a customer must be read and decided on. Webhooks, replays, scans and publishes only mark."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, Final, Literal, NamedTuple

import msgpack

from service.domain.customers import CustomerId, OrgId
from service.store.client import RedisClient, batched, keys, load_script
from service.store.queue.wakeup import wake_shop

Lane = Literal["live", "bulk"]
MAX_EVENTS: Final = 128  # of one call; a longer script would block the server


class DirtyEvent(NamedTuple):
    """One event for mark_dirty.lua. The order of the fields is the order of the script's arguments."""

    customer: str  # "" = the body names no customer
    digest: str = ""  # of the visible fields; "" = the body lacks some of them
    updated_ms: str = "0"
    identity: bytes = b""  # of the delivery; b"" = not a delivery, so nothing is recorded
    note: str = ""  # `ignored:reason`: recorded, but not marked; "" = marked unless it is an echo
    cause: str = "delivery"  # or `replay:R1`, `publish:P42`; the run's id follows the colon
    record: bytes = b""  # the delivery's record as msgpack: digests, never the body


class Quota(NamedTuple):
    """How much of a shop the store accepts from webhooks. 0 = no limit."""

    customers: int = 0  # that wait for a drain because of a webhook, or for a retry
    deliveries: int = 0  # that are kept; beyond it the oldest days are dropped early


NO_QUOTA: Final = Quota()


class MarkResult(NamedTuple):
    """The result of one event."""

    outcome: str  # `marked`, `echo`, or the event's note
    is_repeat: bool  # the same delivery arrived within the last three days
    delivery: str  # its id; "" if the event is not a delivery, or a repeat, which is not stored again


def encode_events(
    events: Sequence[DirtyEvent], *, lane: Lane, retention_s: int, now_ms: int = 0, quota: Quota = NO_QUOTA
) -> list[Any]:
    """The ARGV of mark_dirty.lua for at most `MAX_EVENTS` events of one shop."""
    return [now_ms, lane, retention_s, msgpack.packb(events, use_bin_type=False), *quota]


def decode_results(events: Sequence[DirtyEvent], reply: Sequence[Any]) -> list[MarkResult]:
    """The result of each event, from the reply of mark_dirty.lua."""
    record, outcomes, repeats = (part.decode() for part in reply[3:6])
    index = count()
    return [
        MarkResult(
            outcome, repeat == "1", f"{record}.{next(index)}" if event.identity and repeat == "0" else ""
        )
        for event, outcome, repeat in zip(events, outcomes.split(","), repeats.split(","), strict=True)
    ]


async def mark_dirty(
    redis: RedisClient,
    org: OrgId,
    events: Sequence[DirtyEvent],
    *,
    lane: Lane,
    retention_s: int = 30 * keys.DAY_S,
    now_ms: int = 0,
) -> list[MarkResult]:
    """Mark customers and wake the shop if it needs a drain. Raises redis' errors; the marks may be stored even then."""
    script = load_script("queue", "mark_dirty")
    results: list[MarkResult] = []
    for batch in batched(events, MAX_EVENTS):
        args = encode_events(batch, lane=lane, retention_s=retention_s, now_ms=now_ms)
        reply = await script(redis, org, *args)
        results += decode_results(batch, reply)
        wake, number, *_ = reply
        if wake:
            await wake_shop(redis, org, number=number)
    return results


async def mark_dirty_customers(
    redis: RedisClient,
    org: OrgId,
    customers: Sequence[CustomerId],
    *,
    cause: str,
    lane: Lane = "bulk",
    now_ms: int = 0,
) -> None:
    """Mark customers for a reason other than a delivery."""
    events = [DirtyEvent(str(customer), cause=cause) for customer in customers]
    await mark_dirty(redis, org, events, lane=lane, now_ms=now_ms)


async def not_found_among(
    redis: RedisClient, org: OrgId, customers: Sequence[CustomerId]
) -> frozenset[CustomerId]:
    """Those of the customers that Haravan answered with a 404. They are marked until a second 404 confirms it."""
    missing: set[CustomerId] = set()
    for batch in batched(customers):
        async with redis.pipeline(transaction=False) as pipe:
            for customer in batch:
                pipe.hget(keys.shop(org, f"mark:{customer}"), "missing_since_ms")
            replies = await pipe.execute()
        missing.update(customer for customer, since in zip(batch, replies, strict=True) if int(since or 0))
    return frozenset(missing)


async def marked_among(
    redis: RedisClient, org: OrgId, customers: Sequence[CustomerId]
) -> frozenset[CustomerId]:
    """Those of the customers that are marked, so their snapshots may be outdated."""
    marked: set[CustomerId] = set()
    for batch in batched(customers):
        async with redis.pipeline(transaction=False) as pipe:
            for customer in batch:
                pipe.exists(keys.shop(org, f"mark:{customer}"))
            replies = await pipe.execute()
        marked.update(customer for customer, is_marked in zip(batch, replies, strict=True) if is_marked)
    return frozenset(marked)
