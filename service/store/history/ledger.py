"""The ledger: every tag that we added or removed, with rule, version and the values that decided; kept 400 days."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from service.domain.customers import CustomerId, OrgId, fold
from service.domain.decisions import Hold, Ownership, UndoRecord
from service.domain.explain import value_as_json
from service.store.client import RedisClient, batched, keys

PAGE_SIZE: Final = 500
SCAN_PAGE_SIZE: Final = 2_000  # entries that are not decoded
MAX_SCANNED: Final = 20_000  # entries of a page that a filter reads


class PriorHold(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """A hold on a removed tag, see `Hold`. `owner` is the id of a rule or tier; "" stands for the entry's rule."""

    owner: str
    since_day: int
    below_since: int | None = None
    observed_by: int = 0


class PriorState(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """The state of a tag before its removal, for a roll-back. An empty `owner` stands for the entry's rule."""

    since_ms: int = 0  # 0 = the tag was not ours
    version: int = 0
    owner: str = ""
    holds: tuple[PriorHold, ...] = ()


class LedgerEntry(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """One tag added or removed. Entries are stored as arrays, so new fields go to the end."""

    action: Literal["+", "-"]
    tag: str
    rule: str  # the id of the rule or tier
    version: int
    cause: str  # `delivery`, `replay:R1`, `publish:42`, `schedule`, …
    values: dict[str, object] = {}  # the compared values by field; msgspec copies an empty default
    delivery: str = ""  # the id of the last delivery that marked the customer
    why: str = ""  # see TagOutcome.cause
    written: bool = True  # False in shadow mode and in a freeze: decided, but not written
    prior: PriorState | None = None  # of a removed tag


class HasId(Protocol):
    """A row of a stream."""

    @property
    def id(self) -> str:
        """Its id in the stream."""


Row = TypeVar("Row", bound=HasId)


class LedgerRow(NamedTuple):
    """An entry with its id, time and customer."""

    id: str
    at_ms: int
    customer: CustomerId
    entry: LedgerEntry


def prior_state(undo: UndoRecord | None, rule: str) -> PriorState | None:
    """The state of a tag before its removal, as an entry of this rule stores it."""
    if undo is None:
        return None
    own = undo.ownership or Ownership("", rule, 0)
    holds = tuple(
        PriorHold(_shorten(owner, rule), hold.since_day, hold.below_since, hold.observed_by)
        for owner, hold in undo.holds.items()
    )
    return PriorState(own.since_ms, own.version, _shorten(own.rule, rule), holds)


def to_undo_record(entry: LedgerEntry) -> UndoRecord | None:
    """The state of the entry's tag before its removal. None for an addition, or if nothing was stored."""
    before = entry.prior
    if before is None:
        return None
    own = Ownership(entry.tag, before.owner or entry.rule, before.since_ms, before.version)
    tag = fold(entry.tag)
    holds = {
        held.owner or entry.rule: Hold(tag, held.since_day, held.below_since, held.observed_by)
        for held in before.holds
    }
    return UndoRecord(entry.tag, own if before.since_ms else None, holds)


def _shorten(owner: str, rule: str) -> str:
    return "" if owner == rule else owner


def to_dict(entry: LedgerEntry) -> dict[str, Any]:
    """Plain data for people: amounts in currency units, without `prior`, which only a roll-back needs."""
    data = {name: value for name, value in msgspec.structs.asdict(entry).items() if name != "prior"}
    return data | {"values": {name: value_as_json(name, value) for name, value in entry.values.items()}}


def encode_entry(entry: LedgerEntry) -> bytes:
    """An entry as settle.lua appends it."""
    return _ENCODE(entry)


async def list_for_customer(redis: RedisClient, org: OrgId, customer: CustomerId) -> list[LedgerRow]:
    """A customer's last entries, newest first."""
    ids = await redis.hget(keys.shop(org, "ledger_by_customer"), str(customer))
    async with redis.pipeline(transaction=False) as pipe:
        for entry_id in ids.decode().split(",") if ids else []:
            pipe.xrange(keys.shop(org, "ledger"), entry_id, entry_id)
        replies = await pipe.execute()
    return [_to_row(*entries[0]) for entries in reversed(replies) if entries]


async def list_newest(
    redis: RedisClient,
    org: OrgId,
    *,
    limit: int,
    before: str = "",
    after: str = "",
    since_ms: int = 0,
    until_ms: int | None = None,
) -> list[LedgerRow]:
    """The newest entries of a span first: those before the id `before`, and after the id `after`."""
    first, last = bounds(before, after, since_ms, until_ms)
    entries = await redis.xrevrange(keys.shop(org, "ledger"), first, last, count=limit)
    return [_to_row(*entry) for entry in entries]


@dataclass(frozen=True, slots=True)
class LedgerFilter:
    """Which entries. An empty part matches all; both ends of the span are in it. Tags match in any case.

    `cause` is the kind of a cause, such as `publish`.
    """

    tag: str = ""
    rule: str = ""
    action: str = ""
    cause: str = ""
    since_ms: int = 0
    until_ms: int | None = None

    def matches(self, row: LedgerRow) -> bool:
        """Whether an entry is one of them."""
        entry = row.entry
        return (
            (not self.tag or fold(entry.tag) == fold(self.tag))
            and self.rule in ("", entry.rule)
            and self.action in ("", entry.action)
            and self.cause in ("", entry.cause.partition(":")[0])
            and row.at_ms >= self.since_ms
            and (self.until_ms is None or row.at_ms <= self.until_ms)
        )


class Found(NamedTuple, Generic[Row]):
    """Matching rows of a stream, newest first. `reached` is the id before which the next page goes on, "" at the end.

    `is_partial`: as many rows as allowed were read, and there are older ones.
    """

    rows: list[Row]
    reached: str
    is_partial: bool


async def find_newest(
    load: Callable[[str], Awaitable[Sequence[Row]]],
    matches: Callable[[Row], bool],
    *,
    start: str,
    limit: int,
    page_size: int,
    max_scanned: int,
) -> Found[Row]:
    """Read a stream backwards until `limit` rows match. `load` reads the `page_size` rows before an id, "" = the newest."""
    found: list[Row] = []
    reached = start
    for _ in range(0, max_scanned, page_size):
        page = await load(reached)
        for row in page:
            if matches(row):
                found.append(row)
                if len(found) == limit:
                    return Found(found, row.id, is_partial=False)
        if len(page) < page_size:
            return Found(found, "", is_partial=False)
        reached = page[-1].id
    return Found(found, reached, is_partial=True)


async def find(
    redis: RedisClient, org: OrgId, wanted: LedgerFilter, *, limit: int, before: str = ""
) -> Found[LedgerRow]:
    """A page of the entries that match. It reads `MAX_SCANNED` entries at most, so it may be short or empty."""

    async def load(before: str) -> list[LedgerRow]:
        return await list_newest(
            redis, org, limit=PAGE_SIZE, before=before, since_ms=wanted.since_ms, until_ms=wanted.until_ms
        )

    return await find_newest(
        load, wanted.matches, start=before, limit=limit, page_size=PAGE_SIZE, max_scanned=MAX_SCANNED
    )


def bounds(before: str, after: str, since_ms: int, until_ms: int | None) -> tuple[str, str]:
    """The newest and the oldest id of a span for XREVRANGE: before and after these ids, or else within the span."""
    newest = f"({before}" if before else "+" if until_ms is None else str(until_ms)
    return newest, f"({after}" if after else str(since_ms)


async def all_of_customer(redis: RedisClient, org: OrgId, customer: CustomerId) -> list[LedgerRow]:
    """Every entry of a customer, oldest first, also those that its index has dropped. Reads the whole ledger in pages."""
    return [row async for row in iterate(redis, org, page_size=SCAN_PAGE_SIZE, of=customer)]


async def delete_of_customer(redis: RedisClient, org: OrgId, customer: CustomerId) -> int:
    """Delete every entry of a customer. Returns how many there were. Reads the whole ledger in pages."""
    ids = [row.id for row in await all_of_customer(redis, org, customer)]
    for batch in batched(ids):
        await redis.xdel(keys.shop(org, "ledger"), *batch)
    await redis.hdel(keys.shop(org, "ledger_by_customer"), str(customer))
    return len(ids)


async def last_id(redis: RedisClient, org: OrgId) -> str:
    """The id of the newest entry; `0-0` if there is none."""
    newest = await redis.xrevrange(keys.shop(org, "ledger"), count=1)
    return newest[0][0].decode() if newest else "0-0"


async def iterate(
    redis: RedisClient,
    org: OrgId,
    *,
    after: str = "-",
    until: str = "+",
    page_size: int = PAGE_SIZE,
    of: CustomerId | None = None,
) -> AsyncIterator[LedgerRow]:
    """Entries in the order of writing, from the id `after` on; `(id` excludes that entry. `of`: only this customer's."""
    wanted = None if of is None else str(of).encode()
    start = after
    while page := await redis.xrange(keys.shop(org, "ledger"), start, until, count=page_size):
        for entry_id, fields in page:
            if wanted is None or fields[b"customer"] == wanted:
                yield _to_row(entry_id, fields)
        start = f"({page[-1][0].decode()}"


def _to_row(entry_id: bytes, fields: Mapping[bytes, Any]) -> LedgerRow:
    text = entry_id.decode()
    at_ms = int(text.partition("-")[0])
    return LedgerRow(text, at_ms, CustomerId(int(fields[b"customer"])), _DECODE(fields[b"entry"]))


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(LedgerEntry).decode
