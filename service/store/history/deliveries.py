"""The record of deliveries, found by customer and by time."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgpack
from redis.asyncio import Redis

from service.domain.customers import CustomerId, OrgId
from service.domain.sync import DeliveryRecord, decode_delivery
from service.errors import MalformedData
from service.store.client import keys

# Signed deliveries whose shop we do not have. The org header is not signed, so all of them share one bounded place.
UNKNOWN_SHOP: Final = OrgId("unknown")
MAX_UNKNOWN_SHOP: Final = 2_000  # records, of up to some hundred deliveries
MAX_PAGE: Final = 1000  # in one answer
BATCH_SIZE: Final = 100  # records that are read in one step: each may have a hundred deliveries
CUSTOMER, IDENTITY, RECORD = 0, 3, 6  # places of what is read of an event (marks.py)
MAX_PER_CUSTOMER: Final = 50  # deliveries of one customer


@dataclass(frozen=True, slots=True)
class Delivery:
    """One recorded delivery; the body itself is never kept."""

    id: str  # its record's (milliseconds, a dash, a number), a dot, and its place there
    at_ms: int
    customer: CustomerId | None
    outcome: str  # `marked`, `echo`, `ignored:reason`
    repeat: bool
    topic: str
    signature: str  # as in X-Haravan-HmacSha256: the same for the same body and secret
    size: int
    test: bool
    org: str  # as the header had it, for a shop that we do not have; else ""


@dataclass(frozen=True, slots=True)
class Page:
    """Deliveries, newest first, and where the next older ones begin."""

    deliveries: tuple[Delivery, ...]
    before: str | None


async def list_for_customer(
    redis: Redis, org: OrgId, customer: CustomerId, *, since_ms: int = 0, until_ms: int | None = None
) -> tuple[Delivery, ...]:
    """The customer's last deliveries (`MOST_OF_ONE` of them) in that span, newest first."""
    client: Any = redis
    stream = keys.shop(org, "deliveries")
    ids: list[bytes] = await client.lrange(
        keys.shop(org, f"deliveries_by_customer:{customer}"), -MAX_PER_CUSTOMER, -1
    )
    records = dict.fromkeys(each.partition(b".")[0] for each in ids)
    async with client.pipeline(transaction=False) as pipe:
        for each in records:
            pipe.xrange(stream, each, each)
        found = await pipe.execute()
    there = {each.id: each for entries in found for entry in entries for each in _deliveries(entry)}
    wanted = (there.get(each.decode()) for each in reversed(ids))
    return tuple(
        each
        for each in wanted
        if each is not None and since_ms <= each.at_ms and (until_ms is None or each.at_ms <= until_ms)
    )


async def list_deliveries(
    redis: Redis,
    org: OrgId,
    *,
    since_ms: int = 0,
    until_ms: int | None = None,
    before: str | None = None,
    limit: int = 100,
) -> Page:
    """Deliveries of a span of time, newest first; `before` is the last page's, to go on from there."""
    client: Any = redis
    if before is not None and before.strip("0") == "-":
        return Page((), None)  # nothing is older than 0-0, and Redis calls that range a mistake
    record, _, place = (before or "").partition(".")
    newest = f"({record}" if record and not place else record
    newest = newest or ("+" if until_ms is None else str(until_ms))
    size = max(1, min(limit, MAX_PAGE))
    older: list[Delivery] = []
    while len(older) <= size:
        entries = await client.xrevrange(
            keys.shop(org, "deliveries"), max=newest, min=str(since_ms), count=min(size + 1, BATCH_SIZE)
        )
        if not entries:
            break
        for entry in entries:
            known = _deliveries(entry)
            there = known[: int(place)] if place and entry[0].decode() == record else known
            older += reversed(there)
        newest = f"({entries[-1][0].decode()}"
    return Page(tuple(older[:size]), older[size - 1].id if len(older) > size else None)


async def customers_since(
    redis: Redis, org: OrgId, *, since_ms: int, until_ms: int | None = None, topics: Sequence[str] = ()
) -> list[CustomerId]:
    """Whoever was named by a delivery in that span (of these topics, if any are given), each once, oldest first."""
    client: Any = redis
    stream, newest = keys.shop(org, "deliveries"), "+" if until_ms is None else str(until_ms)
    found: dict[CustomerId, None] = {}
    oldest = str(since_ms)
    while entries := await client.xrange(stream, min=oldest, max=newest, count=BATCH_SIZE):
        for delivery in (each for entry in entries for each in _deliveries(entry)):
            if delivery.customer is not None and (not topics or delivery.topic in topics):
                found[delivery.customer] = None
        oldest = f"({entries[-1][0].decode()}"
    return list(found)


async def trim_unknown_shop(redis: Redis) -> None:
    """Keep the place of unknown shops bounded; nobody's retention reaches it."""
    client: Any = redis
    await client.xtrim(keys.shop(UNKNOWN_SHOP, "deliveries"), maxlen=MAX_UNKNOWN_SHOP, approximate=True)


def _deliveries(entry: tuple[bytes, dict[bytes, bytes]]) -> list[Delivery]:
    """Those of one record, in the order in which they came; none of one that cannot be read."""
    key, fields = entry
    record = key.decode()
    try:
        events = msgpack.unpackb(fields[b"events"], raw=True)
        said = zip(events, fields[b"outcomes"].split(b","), fields[b"repeats"].split(b","), strict=True)
        return [
            _delivery(f"{record}.{place}", event, outcome.decode(), repeat=repeat == b"1")
            for place, (event, outcome, repeat) in enumerate(said)
            if event[IDENTITY]
        ]
    except (KeyError, ValueError, IndexError, TypeError, msgpack.UnpackException):
        return []


def _delivery(name: str, event: Sequence[bytes], outcome: str, *, repeat: bool) -> Delivery:
    what = _kept(event[RECORD])
    return Delivery(
        id=name,
        at_ms=int(name.partition("-")[0]),
        customer=CustomerId(int(event[CUSTOMER])) if event[CUSTOMER] else None,
        outcome=outcome,
        repeat=repeat,
        topic=what.topic,
        signature=b64encode(what.digest).decode(),
        size=what.size,
        test=what.test,
        org=what.org,
    )


def _kept(blob: bytes) -> DeliveryRecord:
    try:
        return decode_delivery(blob)
    except MalformedData:
        return DeliveryRecord("", b"", 0)
