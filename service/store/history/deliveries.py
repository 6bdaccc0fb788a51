"""Deliveries, listed by customer and by time."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
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
MAX_SCANNED: Final = 20_000  # records of a page
SCAN_SIZE: Final = 500  # of a search, which keeps few of them
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
    traceparent: str = ""  # refers to the span of its request; "" if that was not traced


@dataclass(frozen=True, slots=True)
class Page:
    """Deliveries, newest first. `before` starts the next page; None on the last page."""

    deliveries: tuple[Delivery, ...]
    before: str | None


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries. An empty part matches all; both ends of the span are in it."""

    since_ms: int = 0
    until_ms: int | None = None
    topics: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()  # `marked`, `echo`, `ignored` (for any reason) or `ignored:reason`
    customers: tuple[CustomerId, ...] = ()

    @property
    def is_narrow(self) -> bool:
        """Whether most deliveries of the span may not match."""
        return bool(self.topics or self.outcomes or self.customers)

    def spans(self, at_ms: int) -> bool:
        """Whether a moment is in the span."""
        return self.since_ms <= at_ms and (self.until_ms is None or at_ms <= self.until_ms)

    def matches(self, event: Sequence[bytes], outcome: bytes) -> bool:
        """Whether a stored event of the span matches, see DirtyEvent."""
        if self.customers and int(event[CUSTOMER] or 0) not in self.customers:
            return False
        if self.outcomes:
            text = outcome.decode()
            if text not in self.outcomes and text.partition(":")[0] not in self.outcomes:
                return False
        return not self.topics or _topic(event[RECORD]) in self.topics


@dataclass(frozen=True, slots=True)
class Matches:
    """The deliveries that match a filter, and their customers without duplicates, oldest first."""

    deliveries: int
    customers: tuple[CustomerId, ...]


async def list_for_customer(
    redis: RedisClient, org: OrgId, customer: CustomerId, wanted: DeliveryFilter | None = None
) -> tuple[Delivery, ...]:
    """The customer's last `MAX_PER_CUSTOMER` deliveries as far as they match, newest first."""
    wanted = wanted or DeliveryFilter()
    ids: list[bytes] = await redis.lrange(
        keys.shop(org, f"deliveries_by_customer:{customer}"), -MAX_PER_CUSTOMER, -1
    )
    rows = await _load_rows(redis, org, list(reversed(ids)), wanted)
    return await _with_repeats(redis, org, [row for row in rows if wanted.spans(row.delivery.at_ms)])


async def load_traceparents(
    redis: RedisClient, org: OrgId, customers: Sequence[tuple[CustomerId, int]]
) -> list[str]:
    """Refer to the traced deliveries of each customer since its time in ms. Two round trips."""
    async with redis.pipeline(transaction=False) as pipe:
        for customer, _ in customers:
            pipe.lrange(keys.shop(org, f"deliveries_by_customer:{customer}"), -MAX_PER_CUSTOMER, -1)
        replies: list[list[bytes]] = await pipe.execute()
    ids = [
        delivery_id
        for (_, since_ms), listed in zip(customers, replies, strict=True)
        for delivery_id in listed
        if int(delivery_id.partition(b"-")[0]) >= since_ms
    ]
    rows = await _load_rows(redis, org, ids)
    return [row.delivery.traceparent for row in rows if row.delivery.traceparent]


async def list_deliveries(
    redis: RedisClient,
    org: OrgId,
    wanted: DeliveryFilter | None = None,
    *,
    before: str | None = None,
    limit: int = 100,
    max_scanned: int = MAX_SCANNED,
) -> Page:
    """The deliveries of a filter, newest first. `before` is the `before` of the previous page.

    A page ends early after `max_scanned` records, so that a filter that nothing matches always answers.
    """
    wanted = wanted or DeliveryFilter()
    if before is not None and before.strip("0") == "-":
        return Page((), None)  # Redis refuses a range that ends before 0-0
    record_id, _, index = (before or "").partition(".")
    newest = f"({record_id}" if record_id and not index else record_id
    newest = newest or ("+" if wanted.until_ms is None else str(wanted.until_ms))
    size, scanned, reached = max(1, min(limit, MAX_PAGE)), 0, None
    batch = BATCH_SIZE if wanted.is_narrow else min(size + 1, BATCH_SIZE)
    rows: list[_Row] = []
    while len(rows) <= size:
        entries = await redis.xrevrange(
            keys.shop(org, "deliveries"), max=newest, min=str(wanted.since_ms), count=batch
        )
        if not entries:
            reached = None
            break
        for entry in entries:
            decoded = _decode_record(entry, wanted)
            if index and entry[0].decode() == record_id:
                decoded = [row for row in decoded if int(row.delivery.id.partition(".")[2]) < int(index)]
            rows += reversed(decoded)
        reached = entries[-1][0].decode()
        newest, scanned = f"({reached}", scanned + len(entries)
        if scanned >= max_scanned:
            break
    deliveries = await _with_repeats(redis, org, rows[:size])
    if len(rows) > size:
        return Page(deliveries, deliveries[-1].id)
    return Page(deliveries, reached)


async def find_matches(
    redis: RedisClient, org: OrgId, wanted: DeliveryFilter, *, on_read: Callable[[int], None] = lambda _: None
) -> Matches:
    """Count the deliveries of a filter, and collect their customers, oldest first.

    Reads the stream of the span in batches, about a second for 50,000 deliveries. `on_read` gets the number of deliveries
    read so far.
    """
    stream, newest = keys.shop(org, "deliveries"), "+" if wanted.until_ms is None else str(wanted.until_ms)
    customers: dict[CustomerId, None] = {}
    number, read, oldest = 0, 0, str(wanted.since_ms)
    while entries := await redis.xrange(stream, min=oldest, max=newest, count=SCAN_SIZE):
        for _, fields in entries:
            for event, outcome in _stored_events(fields):
                read += 1
                if event[CUSTOMER] and wanted.matches(event, outcome):
                    number += 1
                    customers[CustomerId(int(event[CUSTOMER]))] = None
        on_read(read)
        oldest = f"({entries[-1][0].decode()}"
    return Matches(number, tuple(customers))


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


async def _load_rows(
    redis: RedisClient, org: OrgId, ids: Sequence[bytes], wanted: DeliveryFilter | None = None
) -> list[_Row]:
    """The deliveries with these ids that are still stored and match, in the same order."""
    async with redis.pipeline(transaction=False) as pipe:
        for record_id in dict.fromkeys(delivery_id.partition(b".")[0] for delivery_id in ids):
            pipe.xrange(keys.shop(org, "deliveries"), record_id, record_id)
        replies = await pipe.execute()
    stored = {
        row.delivery.id: row
        for entries in replies
        for entry in entries
        for row in _decode_record(entry, wanted)
    }
    return [row for delivery_id in ids if (row := stored.get(delivery_id.decode())) is not None]


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


def _decode_record(
    entry: tuple[bytes, dict[bytes, bytes]], wanted: DeliveryFilter | None = None
) -> list[_Row]:
    """The deliveries of one record that match, in order of arrival. A malformed record has none."""
    key, fields = entry
    record_id = key.decode()
    try:
        return [
            _Row(event[IDENTITY], _decode_delivery(f"{record_id}.{index}", event, outcome.decode()))
            for index, (event, outcome) in enumerate(_stored_events(fields))
            if wanted is None or wanted.matches(event, outcome)
        ]
    except (ValueError, IndexError, TypeError):
        return []


def _stored_events(fields: Mapping[bytes, bytes]) -> list[tuple[Sequence[bytes], bytes]]:
    """The events of one record with their outcomes. A malformed record has none."""
    try:
        events = msgpack.unpackb(fields[b"events"], raw=True)
        if any(len(event) <= RECORD for event in events):
            return []
        return [*zip(events, fields[b"outcomes"].split(b","), strict=True)]
    except (KeyError, ValueError, TypeError, msgpack.UnpackException):
        return []


def _topic(record: bytes) -> str:
    try:
        return decode_delivery(record).topic
    except MalformedData:
        return ""


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
        traceparent=record.traceparent,
    )
