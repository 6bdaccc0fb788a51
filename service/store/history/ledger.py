"""The ledger: every tag that we wrote, with the rule, the version and the values that decided; kept 400 days."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec
from redis.asyncio import Redis

from service.domain.customers import CustomerId, OrgId, fold
from service.domain.decisions import Hold, Ownership, UndoRecord
from service.domain.explain import value_as_json
from service.store.client import keys

PAGE_SIZE: Final = 500


class PriorHold(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """A hold on a removed tag: `one` is the rule's or tier's id, "" stands for the entry's own. See standing.Hold."""

    owner: str
    since_day: int
    below_since: int | None = None
    observed_by: int = 0


class PriorState(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """How a removed tag stood, in few bytes. An empty id stands for the entry's own rule."""

    since_ms: int = 0  # 0 = it was not ours
    version: int = 0
    owner: str = ""
    holds: tuple[PriorHold, ...] = ()


class LedgerEntry(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """One tag given or taken. New fields go to the end: old entries must stay readable."""

    action: Literal["+", "-"]
    tag: str
    rule: str  # the rule's or tier group's id
    version: int
    cause: str  # `delivery`, `replay:R1`, `publish:42`, `schedule`, …
    values: dict[str, object] = {}  # what decided; msgspec copies an empty default
    delivery: str = ""  # the id of the newest delivery that led to it
    why: str = ""  # see TagOutcome.cause
    written: bool = True  # False in shadow mode: decided, not written
    prior: PriorState | None = None  # of a tag that was taken


class LedgerRow(NamedTuple):
    """An entry with its place in the ledger."""

    id: str
    at_ms: int
    customer: CustomerId
    entry: LedgerEntry


def prior_state(undo: UndoRecord | None, rule: str) -> PriorState | None:
    """What an entry of this rule keeps of how a tag stood."""
    if undo is None:
        return None
    own = undo.ownership or Ownership("", rule, 0)
    holds = tuple(
        PriorHold(_short(one, rule), hold.since_day, hold.below_since, hold.observed_by)
        for one, hold in undo.holds.items()
    )
    return PriorState(own.since_ms, own.version, _short(own.rule, rule), holds)


def to_undo_record(entry: LedgerEntry) -> UndoRecord | None:
    """How the entry's tag stood when it was taken; None where it was given, or where nothing was kept."""
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


def _short(one: str, rule: str) -> str:
    return "" if one == rule else one


def to_dict(entry: LedgerEntry) -> dict[str, Any]:
    """Plain data, for people: amounts in units, and without `before`, which only a roll-back needs."""
    data = {name: kept for name, kept in msgspec.structs.asdict(entry).items() if name != "before"}
    return data | {"values": {name: value_as_json(name, value) for name, value in entry.values.items()}}


def encode_entry(entry: LedgerEntry) -> bytes:
    return _PACK(entry)


async def list_for_customer(redis: Redis, org: OrgId, customer: CustomerId) -> list[LedgerRow]:
    """A customer's last entries, newest first."""
    ids = await redis.hget(keys.shop(org, "ledger_by_customer"), str(customer))
    listed = bytes(ids or b"").decode().split(",") if ids else []
    async with redis.pipeline(transaction=False) as pipe:
        for each in listed:
            pipe.xrange(keys.shop(org, "ledger"), each, each)
        found = await pipe.execute()
    return [_written(*item[0]) for item in reversed(found) if item]


async def iterate(
    redis: Redis, org: OrgId, *, after: str = "-", until: str = "+", page_size: int = PAGE_SIZE
) -> AsyncIterator[LedgerRow]:
    """Entries in the order in which they were written, from `after` on (`(id` leaves that one out)."""
    start = after
    while page := await redis.xrange(keys.shop(org, "ledger"), start, until, count=page_size):
        for id_, fields in page:
            yield _written(id_, fields)
        start = f"({page[-1][0].decode()}"


def _written(id_: bytes, fields: Mapping[bytes, Any]) -> LedgerRow:
    text = id_.decode()
    return LedgerRow(
        text, int(text.split("-")[0]), CustomerId(int(fields[b"customer"])), _DECODER.decode(fields[b"entry"])
    )


_PACK = msgspec.msgpack.Encoder().encode
_DECODER = msgspec.msgpack.Decoder(LedgerEntry)
