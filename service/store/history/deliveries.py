"""Deliveries, listed by customer and by time."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgpack

from service.domain.customers import CustomerId, OrgId
from service.domain.sync import DeliveryRecord, decode_delivery
from service.errors import MalformedData
from service.store.client import RedisClient, keys

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
    repeat: bool
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
        delivery.id: delivery
        for entries in replies
        for entry in entries
        for delivery in _decode_record(entry)
    }
    deliveries = (stored.get(delivery_id.decode()) for delivery_id in reversed(ids))
    return tuple(
        delivery
        for delivery in deliveries
        if delivery is not None
        and since_ms <= delivery.at_ms
        and (until_ms is None or delivery.at_ms <= until_ms)
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
    deliveries: list[Delivery] = []
    while len(deliveries) <= size:
        entries = await redis.xrevrange(
            keys.shop(org, "deliveries"), max=newest, min=str(since_ms), count=min(size + 1, BATCH_SIZE)
        )
        if not entries:
            break
        for entry in entries:
            decoded = _decode_record(entry)
            if index and entry[0].decode() == record_id:
                decoded = decoded[: int(index)]
            deliveries += reversed(decoded)
        newest = f"({entries[-1][0].decode()}"
    return Page(tuple(deliveries[:size]), deliveries[size - 1].id if len(deliveries) > size else None)


async def customers_since(
    redis: RedisClient, org: OrgId, *, since_ms: int, until_ms: int | None = None, topics: Sequence[str] = ()
) -> list[CustomerId]:
    """The customers that deliveries of the span name, without duplicates, oldest first. No topics: all topics."""
    stream, newest = keys.shop(org, "deliveries"), "+" if until_ms is None else str(until_ms)
    customers: dict[CustomerId, None] = {}
    oldest = str(since_ms)
    while entries := await redis.xrange(stream, min=oldest, max=newest, count=BATCH_SIZE):
        for delivery in (delivery for entry in entries for delivery in _decode_record(entry)):
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
        if {delivery.customer for delivery in _decode_record(entry)} == {customer}
    ]
    async with redis.pipeline() as pipe:
        if own:
            pipe.xdel(keys.shop(org, "deliveries"), *own)
        pipe.delete(listed)
        await pipe.execute()
    deleted = sum(delivery_id.partition(".")[0] in own for delivery_id in ids)
    return deleted, len(ids) - deleted


async def trim_unknown_shop(redis: RedisClient) -> None:
    """Bound the stream of unknown shops, which the retention of no shop trims."""
    await redis.xtrim(keys.shop(UNKNOWN_SHOP, "deliveries"), maxlen=MAX_UNKNOWN_SHOP, approximate=True)


def _decode_record(entry: tuple[bytes, dict[bytes, bytes]]) -> list[Delivery]:
    """The deliveries of one record in order of arrival. A malformed record has none."""
    key, fields = entry
    record_id = key.decode()
    try:
        events = msgpack.unpackb(fields[b"events"], raw=True)
        rows = zip(events, fields[b"outcomes"].split(b","), fields[b"repeats"].split(b","), strict=True)
        return [
            _decode_delivery(f"{record_id}.{index}", event, outcome.decode(), repeat=repeat == b"1")
            for index, (event, outcome, repeat) in enumerate(rows)
            if event[IDENTITY]
        ]
    except (KeyError, ValueError, IndexError, TypeError, msgpack.UnpackException):
        return []


def _decode_delivery(delivery_id: str, event: Sequence[bytes], outcome: str, *, repeat: bool) -> Delivery:
    try:
        record = decode_delivery(event[RECORD])
    except MalformedData:
        record = DeliveryRecord("", b"", 0)
    return Delivery(
        id=delivery_id,
        at_ms=int(delivery_id.partition("-")[0]),
        customer=CustomerId(int(event[CUSTOMER])) if event[CUSTOMER] else None,
        outcome=outcome,
        repeat=repeat,
        topic=record.topic,
        signature=b64encode(record.digest).decode(),
        size=record.size,
        test=record.test,
        org=record.org,
    )
