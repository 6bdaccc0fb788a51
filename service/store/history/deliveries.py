"""Deliveries, listed by customer and by time."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import msgpack

from service.domain.customers import CustomerId, OrgId
from service.domain.sync import DeliveryRecord, decode_delivery
from service.errors import MalformedData
from service.store.client import RedisClient, keys, load_script

# The org of signed deliveries for shops that are not configured. The org header is not signed, so they share one stream.
UNKNOWN_SHOP: Final = OrgId("unknown")
MAX_UNKNOWN_SHOP: Final = 2_000  # records, each of up to 128 deliveries
MAX_PAGE: Final = 1000  # deliveries
BATCH_SIZE: Final = 100  # records of one command; each may have a hundred deliveries
CUSTOMER, IDENTITY, RECORD = 0, 3, 6  # indexes in a stored event, see DirtyEvent
MAX_PER_CUSTOMER: Final = 50  # deliveries of one customer


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery. Its body is never stored."""

    id: str  # the record's id (milliseconds, a dash, a number), a dot, and the index in the record
    at_ms: int
    customer: CustomerId | None
    outcome: str  # `marked`, `echo`, `ignored:reason`
    repeats: int  # how often the same body arrived again within three days, under any topic
    topic: str
    signature: str  # as in X-Haravan-HmacSha256: the same for the same body and secret
    size: int
    test: bool
    org: str  # the header's, if the shop is not configured; otherwise ""


@dataclass(frozen=True, slots=True)
class Page:
    """Deliveries, newest first. `before` starts the next page; None on the last page."""

    deliveries: tuple[Delivery, ...]
    before: str | None


async def list_for_customer(
    redis: RedisClient, org: OrgId, customer: CustomerId, *, since_ms: int = 0, until_ms: int | None = None
) -> tuple[Delivery, ...]:
    """The customer's last `MAX_PER_CUSTOMER` deliveries as far as they are in the span, newest first."""
    stream = keys.shop(org, "deliveries")
    ids: list[bytes] = await redis.lrange(
        keys.shop(org, f"deliveries_by_customer:{customer}"), -MAX_PER_CUSTOMER, -1
    )
    record_ids = dict.fromkeys(delivery_id.partition(b".")[0] for delivery_id in ids)
    async with redis.pipeline(transaction=False) as pipe:
        for record_id in record_ids:
            pipe.xrange(stream, record_id, record_id)
        replies = await pipe.execute()
    stored = {
        row.delivery.id: row for entries in replies for entry in entries for row in _decode_record(entry)
    }
    rows = [row for delivery_id in reversed(ids) if (row := stored.get(delivery_id.decode())) is not None]
    return await _with_repeats(
        redis,
        org,
        [
            row
            for row in rows
            if since_ms <= row.delivery.at_ms and (until_ms is None or row.delivery.at_ms <= until_ms)
        ],
    )


async def list_deliveries(
    redis: RedisClient,
    org: OrgId,
    *,
    since_ms: int = 0,
    until_ms: int | None = None,
    before: str | None = None,
    limit: int = 100,
) -> Page:
    """Deliveries of a span of time, newest first. `before` is the `before` of the previous page."""
    if before is not None and before.strip("0") == "-":
        return Page((), None)  # Redis refuses a range that ends before 0-0
    record_id, _, index = (before or "").partition(".")
    newest = f"({record_id}" if record_id and not index else record_id
    newest = newest or ("+" if until_ms is None else str(until_ms))
    size = max(1, min(limit, MAX_PAGE))
    rows: list[_Row] = []
    while len(rows) <= size:
        entries = await redis.xrevrange(
            keys.shop(org, "deliveries"), max=newest, min=str(since_ms), count=min(size + 1, BATCH_SIZE)
        )
        if not entries:
            break
        for entry in entries:
            decoded = _decode_record(entry)
            if index and entry[0].decode() == record_id:
                decoded = decoded[: int(index)]
            rows += reversed(decoded)
        newest = f"({entries[-1][0].decode()}"
    deliveries = await _with_repeats(redis, org, rows[:size])
    return Page(deliveries, deliveries[-1].id if len(rows) > size else None)


async def customers_since(
    redis: RedisClient, org: OrgId, *, since_ms: int, until_ms: int | None = None, topics: Sequence[str] = ()
) -> list[CustomerId]:
    """The customers that deliveries of the span name, without duplicates, oldest first. No topics: all topics."""
    stream, newest = keys.shop(org, "deliveries"), "+" if until_ms is None else str(until_ms)
    customers: dict[CustomerId, None] = {}
    oldest = str(since_ms)
    while entries := await redis.xrange(stream, min=oldest, max=newest, count=BATCH_SIZE):
        for delivery in (row.delivery for entry in entries for row in _decode_record(entry)):
            if delivery.customer is not None and (not topics or delivery.topic in topics):
                customers[delivery.customer] = None
        oldest = f"({entries[-1][0].decode()}"
    return list(customers)


async def delete_of_customer(redis: RedisClient, org: OrgId, customer: CustomerId) -> tuple[int, int]:
    """Delete the records that name only this customer. Returns how many deliveries are deleted and how many stay.

    A record of a batch with other customers stays until RETENTION_DAYS: a stream's records cannot be changed. It has the
    customer's id and no personal data. The list of the customer's deliveries is deleted, so nothing leads to it.
    """
    listed = keys.shop(org, f"deliveries_by_customer:{customer}")
    ids = [delivery_id.decode() for delivery_id in await redis.lrange(listed, 0, -1)]
    async with redis.pipeline(transaction=False) as pipe:
        records = dict.fromkeys(delivery_id.partition(".")[0] for delivery_id in ids)
        for record_id in records:
            pipe.xrange(keys.shop(org, "deliveries"), record_id, record_id)
        replies = await pipe.execute()
    own = [
        entry[0].decode()
        for entries in replies
        for entry in entries
        if {row.delivery.customer for row in _decode_record(entry)} == {customer}
    ]
    async with redis.pipeline() as pipe:
        if own:
            pipe.xdel(keys.shop(org, "deliveries"), *own)
        pipe.delete(listed)
        await pipe.execute()
    deleted = sum(delivery_id.partition(".")[0] in own for delivery_id in ids)
    return deleted, len(ids) - deleted


async def trim(redis: RedisClient, org: OrgId, *, oldest_ms: int) -> None:
    """Trim the deliveries that are older than `oldest_ms`."""
    await load_script("history", "trim_deliveries")(redis, org, oldest_ms)


async def trim_unknown_shop(redis: RedisClient) -> None:
    """Bound the stream of unknown shops, which the retention of no shop trims."""
    await redis.xtrim(keys.shop(UNKNOWN_SHOP, "deliveries"), maxlen=MAX_UNKNOWN_SHOP, approximate=True)


class _Row(NamedTuple):
    """A delivery without its repeats, which are counted under its identity."""

    identity: bytes
    delivery: Delivery


async def _with_repeats(redis: RedisClient, org: OrgId, rows: Sequence[_Row]) -> tuple[Delivery, ...]:
    """The deliveries of the rows with their repeats, in one round trip."""
    by_day: dict[int, dict[bytes, int]] = {}
    for row in rows:
        by_day.setdefault(row.delivery.at_ms // (keys.DAY_S * 1000), {})[row.identity] = 0
    async with redis.pipeline(transaction=False) as pipe:
        for day, counts in by_day.items():
            pipe.hmget(keys.shop(org, f"repeats:{day}"), list(counts))
        replies = await pipe.execute()
    for counts, values in zip(by_day.values(), replies, strict=True):
        counts.update((identity, int(value or 0)) for identity, value in zip(counts, values, strict=True))
    return tuple(
        replace(row.delivery, repeats=by_day[row.delivery.at_ms // (keys.DAY_S * 1000)][row.identity])
        for row in rows
    )


def _decode_record(entry: tuple[bytes, dict[bytes, bytes]]) -> list[_Row]:
    """The deliveries of one record in order of arrival. A malformed record has none."""
    key, fields = entry
    record_id = key.decode()
    try:
        events = msgpack.unpackb(fields[b"events"], raw=True)
        rows = zip(events, fields[b"outcomes"].split(b","), strict=True)
        return [
            _Row(event[IDENTITY], _decode_delivery(f"{record_id}.{index}", event, outcome.decode()))
            for index, (event, outcome) in enumerate(rows)
        ]
    except (KeyError, ValueError, IndexError, TypeError, msgpack.UnpackException):
        return []


def _decode_delivery(delivery_id: str, event: Sequence[bytes], outcome: str) -> Delivery:
    try:
        record = decode_delivery(event[RECORD])
    except MalformedData:
        record = DeliveryRecord("", b"", 0)
    return Delivery(
        id=delivery_id,
        at_ms=int(delivery_id.partition("-")[0]),
        customer=CustomerId(int(event[CUSTOMER])) if event[CUSTOMER] else None,
        outcome=outcome,
        repeats=0,
        topic=record.topic,
        signature=b64encode(record.digest).decode(),
        size=record.size,
        test=record.test,
        org=record.org,
    )
