"""The events of a shop that are next for an endpoint: tag writes of the ledger and notices, in the order of their times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from service.domain.customers import CustomerId, OrgId
from service.domain.events import EndpointState, Event, EventType, message_id, tag_event
from service.store.client import RedisClient, keys
from service.store.events.notices import NAME as NOTICES
from service.store.history import LedgerEntry

PAGE_SIZE: Final = 50
Source = Literal["ledger", "notices"]
SOURCES: Final[tuple[Source, ...]] = ("ledger", NOTICES)


class Entry(NamedTuple):
    """An entry of a stream. `event` is None if it is no event: a decision of shadow mode."""

    source: Source
    id: str
    event: Event | None


async def read_after(redis: RedisClient, org: OrgId, ids: Mapping[Source, str]) -> list[Entry]:
    """The next entries after these, oldest first: at most a page of each stream.

    Entries that come after a full page of the other stream are left out: what is before them was not read yet.
    """
    async with redis.pipeline(transaction=False) as pipe:
        for source in SOURCES:
            pipe.xrange(keys.shop(org, source), f"({ids[source]}", "+", count=PAGE_SIZE)
        pages = await pipe.execute()
    entries = [
        _decode(org, source, entry_id.decode(), fields)
        for source, page in zip(SOURCES, pages, strict=True)
        for entry_id, fields in page
    ]
    horizon = min((order(page[-1][0].decode()) for page in pages if len(page) == PAGE_SIZE), default=None)
    entries.sort(key=lambda entry: order(entry.id))
    return [entry for entry in entries if horizon is None or order(entry.id) <= horizon]


async def read_one(redis: RedisClient, org: OrgId, source: Source, entry_id: str) -> Entry | None:
    """One entry. None if it is gone: too old, or of a customer that was erased."""
    page = await redis.xrange(keys.shop(org, source), entry_id, entry_id)
    return _decode(org, source, entry_id, page[0][1]) if page else None


async def newest_ids(redis: RedisClient, org: OrgId) -> dict[Source, str]:
    """The id of the last entry of each stream, "0-0" for an empty one."""
    async with redis.pipeline(transaction=False) as pipe:
        for source in SOURCES:
            pipe.xrevrange(keys.shop(org, source), "+", "-", count=1)
        pages = await pipe.execute()
    return {
        source: page[0][0].decode() if page else "0-0" for source, page in zip(SOURCES, pages, strict=True)
    }


def is_behind(state: EndpointState, newest: Mapping[Source, str]) -> bool:
    """Whether there are entries that the endpoint is not done with."""
    return order(newest["ledger"]) > order(state.ledger) or order(newest["notices"]) > order(state.notices)


def before(at_ms: int) -> str:
    """An id before all entries of this time."""
    return f"{max(0, at_ms - 1)}-{2**63 - 1}"


def order(entry_id: str) -> tuple[int, int]:
    """The id of an entry as numbers, which can be compared."""
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number or 0)


def _decode(org: OrgId, source: Source, entry_id: str, fields: Mapping[bytes, bytes]) -> Entry:
    if source == "notices":
        kind: EventType = msgspec.convert(fields[b"type"].decode(), EventType)
        data: dict[str, Any] = msgspec.json.decode(fields[b"data"])
        at_ms = order(entry_id)[0]
        return Entry(source, entry_id, Event(message_id(org, "notice", entry_id), kind, at_ms, data))
    entry = _DECODE_LEDGER(fields[b"entry"])
    if not entry.written:
        return Entry(source, entry_id, None)
    event = tag_event(
        org,
        entry_id,
        is_added=entry.action == "+",
        customer=CustomerId(int(fields[b"customer"])),
        tag=entry.tag,
        rule=entry.rule,
        version=entry.version,
    )
    return Entry(source, entry_id, event)


_DECODE_LEDGER: Final = msgspec.msgpack.Decoder(LedgerEntry).decode
