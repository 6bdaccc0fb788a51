"""Marking: a customer is to be looked at. The only thing that webhooks, replays, walks and publishes do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import msgpack
from arq.connections import ArqRedis

from service.domain.customers import CustomerId, OrgId
from service.store.client import batched, keys, load_script
from service.store.queue.wakeup import wake_shop

Lane = Literal["live", "bulk"]
MAX_EVENTS: Final = 128  # in one call: a longer script would hold up everybody else


class DirtyEvent(NamedTuple):
    """One thing that happened, as the mark script wants it (its arguments, in this order)."""

    customer: str  # "" = the body names none
    digest: str = ""  # of the visible fields; "" = not all of them were there
    updated_ms: str = "0"
    identity: bytes = b""  # of the delivery; b"" = a plain mark, nothing is recorded
    note: str = ""  # `ignored:reason` is recorded and marks nothing; "" leaves it to the state test
    cause: str = "delivery"  # `replay:R1`, `publish:42`: what follows the colon is a run's id
    record: bytes = b""  # what is kept of the delivery, as msgpack: digests, never the body


class MarkResult(NamedTuple):
    """What became of one event."""

    outcome: str  # `marked`, `echo`, or the event's own note
    is_repeat: bool  # this very delivery was seen within the last three days
    delivery: str  # its id; "" for a plain mark


def encode_events(
    events: Sequence[DirtyEvent], *, lane: Lane, retention_s: int, now_ms: int = 0
) -> list[Any]:
    """The script's ARGV for at most MOST_EVENTS events of one shop."""
    return [now_ms, lane, retention_s, msgpack.packb(events, use_bin_type=False)]


def decode_results(events: Sequence[DirtyEvent], reply: Sequence[Any]) -> list[MarkResult]:
    """What became of each event, from the script's reply."""
    recorded, codes, repeats = (each.decode() for each in reply[3:6])
    return [
        MarkResult(code, again == "1", f"{recorded}.{place}" if event.identity else "")
        for place, (event, code, again) in enumerate(
            zip(events, codes.split(","), repeats.split(","), strict=True)
        )
    ]


async def mark_dirty(
    redis: ArqRedis,
    org: OrgId,
    events: Sequence[DirtyEvent],
    *,
    lane: Lane,
    retention_s: int = 30 * keys.DAY_S,
    now_ms: int = 0,
) -> list[MarkResult]:
    """Mark, and wake the shop where that is needed. Raises redis' errors when the marks may not be there."""
    mark_dirty = load_script("queue", "mark_dirty")
    made: list[MarkResult] = []
    for chunk in batched(events, MAX_EVENTS):
        args = encode_events(chunk, lane=lane, retention_s=retention_s, now_ms=now_ms)
        reply = await mark_dirty(redis, org, *args)
        made += decode_results(chunk, reply)
        if reply[0]:
            await wake_shop(redis, org, number=reply[1])
    return made


async def mark_dirty_customers(
    redis: ArqRedis,
    org: OrgId,
    customers: Sequence[CustomerId],
    *,
    cause: str,
    lane: Lane = "bulk",
    now_ms: int = 0,
) -> None:
    """Mark customers for a reason other than a delivery."""
    await mark_dirty(
        redis, org, [DirtyEvent(str(each), cause=cause) for each in customers], lane=lane, now_ms=now_ms
    )


async def marked_among(redis: ArqRedis, org: OrgId, customers: Sequence[CustomerId]) -> frozenset[CustomerId]:
    """Who of these is to be looked at anyway: the record is known to have changed since we saw it."""
    found: set[CustomerId] = set()
    for chunk in batched(customers):
        async with redis.pipeline(transaction=False) as pipe:
            for one in chunk:
                pipe.exists(keys.shop(org, f"mark:{one}"))
            there = await pipe.execute()
        found.update(one for one, yes in zip(chunk, there, strict=True) if yes)
    return frozenset(found)
