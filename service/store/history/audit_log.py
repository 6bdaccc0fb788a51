"""The audit log: who changed what, as a chain of entries; kept 400 days. Every change of a person is recorded here.

Each shop has a chain, and the service has one for what belongs to no shop: tokens, and shops that are added or removed.
A hash chains each entry to the one before it, so that an entry cannot be changed, removed or inserted unnoticed.
Somebody who can write to Redis could compute the whole chain anew: `verify` therefore also takes a hash that was noted
earlier, and says whether the chain still contains it.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import msgspec

from service.domain.access import Actor, ActorKind, Role
from service.domain.customers import OrgId
from service.sentence import Sentence
from service.store.client import SERVICE, RedisClient, keys, load_script

MAX_TEXT: Final = 300  # characters of each text that fills a summary
PAGE_SIZE: Final = 500


class AuditText(msgspec.Struct, frozen=True):
    """A stored `Sentence`."""

    template: str
    params: dict[str, str | int | AuditText] = {}

    def to_sentence(self) -> Sentence:
        """The sentence, for a reader's language."""
        return Sentence(
            self.template,
            **{
                name: value.to_sentence() if isinstance(value, AuditText) else value
                for name, value in self.params.items()
            },
        )


class AuditEntry(msgspec.Struct, frozen=True):
    """One change by somebody. Its stored bytes are hashed, so fields are never reordered or renamed.

    `text` has ids, numbers, and names of rules and tags. It has no free text and no personal data, because an entry
    cannot be erased. It is a sentence, which pages and commands show in the reader's language.
    """

    number: int  # 1, 2, 3, … in each chain
    at_ms: int
    chain: str  # the shop's org, or `service`
    by: str
    kind: ActorKind
    role: Role
    action: str
    text: AuditText
    failed: str = ""  # the name of the exception, in the second entry of a change that failed

    @property
    def sentence(self) -> Sentence:
        """What was changed."""
        what = self.text.to_sentence()
        return Sentence("failed ({error}): {what}", error=self.failed, what=what) if self.failed else what

    @property
    def summary(self) -> str:
        """What was changed, in English."""
        return str(self.sentence)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries. An empty part matches all. `until_ms`: the entry is earlier.

    `shop` is for the chain of the service: entries that name this shop, because it was added or removed.
    """

    by: str = ""
    action: str = ""
    shop: str = ""
    since_ms: int = 0
    until_ms: int | None = None

    def matches(self, entry: AuditEntry) -> bool:
        """Whether an entry is one of them."""
        return (
            self.by in ("", entry.by)
            and self.action in ("", entry.action)
            and self.shop in ("", entry.text.params.get("org"))
            and entry.at_ms >= self.since_ms
            and (self.until_ms is None or entry.at_ms < self.until_ms)
        )


EVERYTHING: Final = AuditFilter()


class AuditRow(msgspec.Struct, frozen=True):
    """An entry with its hash: SHA-256 of the previous hash, a line feed and the stored bytes of the entry."""

    entry: AuditEntry
    hash: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of a check. `problem` is None if the chain is whole and contains the expected hash."""

    entries: int
    trimmed: int  # older entries, which retention removed
    last_hash: str
    problem: Sentence | None = None


async def record(
    redis: RedisClient,
    actor: Actor,
    action: str,
    *,
    org: OrgId = SERVICE,
    summary: Sentence,
    failed: str = "",
) -> str:
    """Append an entry and return its hash. Call it before the change, so that no change is without an entry.

    Without `org` the entry belongs to the service. The caller has checked by then that the change is allowed.
    """
    append = load_script("history", "audit_append")
    _, previous, number, at_ms = await append(redis, org)
    while True:
        entry = AuditEntry(
            number=number + 1,
            at_ms=at_ms,
            chain=org,
            by=actor.name,
            kind=actor.kind,
            role=actor.role,
            action=action,
            text=_stored(summary),
            failed=failed,
        )
        encoded = _ENCODER.encode(entry)
        appended, last, number, at_ms = await append(
            redis, org, previous, encoded, chained_hash(previous.decode(), encoded)
        )
        if appended:
            return str(last.decode())
        previous = last


@asynccontextmanager
async def recorded(
    redis: RedisClient, actor: Actor, action: str, *, org: OrgId = SERVICE, summary: Sentence
) -> AsyncIterator[None]:
    """Record a change, then make it in the block. If the block fails, a second entry says so.

    The entry comes first: a process that dies in the block leaves an entry without a change, never the reverse.
    """
    await record(redis, actor, action, org=org, summary=summary)
    try:
        yield
    except Exception as exc:
        await record(redis, actor, action, org=org, summary=summary, failed=type(exc).__name__)
        raise


def chained_hash(previous: str, encoded: bytes) -> str:
    """The hash of an entry after the one with the hash `previous`, which is empty for the first entry."""
    return hashlib.sha256(previous.encode() + b"\n" + encoded).hexdigest()


async def list_entries(
    redis: RedisClient,
    org: OrgId = SERVICE,
    *,
    limit: int = 100,
    before: int | None = None,
    wanted: AuditFilter = EVERYTHING,
) -> list[AuditRow]:
    """The latest entries that match, newest first. `before` is the number of the last entry of the previous page."""
    found: list[AuditRow] = []
    newest = "+"
    oldest = str(wanted.since_ms)  # an entry is added after its time was read, so its id is never earlier
    while len(found) < limit:
        page = await redis.xrevrange(keys.shop(org, "audit"), max=newest, min=oldest, count=PAGE_SIZE)
        if not page:
            break
        rows = [_row(fields) for _, fields in page]
        found += [
            row for row in rows if (before is None or row.entry.number < before) and wanted.matches(row.entry)
        ]
        newest = f"({page[-1][0].decode()}"
    return found[:limit]


async def verify(redis: RedisClient, org: OrgId = SERVICE, *, expected_hash: str = "") -> Verification:
    """Check every hash of a chain from its first stored entry, and whether it contains `expected_hash`."""
    anchor = await redis.hgetall(keys.shop(org, "audit_anchor"))
    previous = anchor.get(b"hash", b"").decode()
    trimmed = number = int(anchor.get(b"number", 0))
    contains = expected_hash in ("", previous)
    start = "-"
    while page := await redis.xrange(keys.shop(org, "audit"), start, "+", count=PAGE_SIZE):
        for _, fields in page:
            number += 1
            if problem := _problem(org, previous, number, fields):
                return Verification(number - 1 - trimmed, trimmed, previous, problem)
            previous = fields[b"hash"].decode()
            contains = contains or previous == expected_hash
        start = f"({page[-1][0].decode()}"
    return Verification(number - trimmed, trimmed, previous, None if contains else _MISSING_HASH)


async def trim(redis: RedisClient, org: OrgId, *, oldest_ms: int) -> None:
    """Remove older entries; the chain can still be verified."""
    script = load_script("history", "audit_trim")
    while await script(redis, org, oldest_ms, PAGE_SIZE) == PAGE_SIZE:
        pass


def _problem(org: OrgId, previous: str, number: int, fields: Mapping[bytes, bytes]) -> Sentence | None:
    """What is wrong with the entry that should have this number."""
    encoded, stored_hash = fields.get(b"entry", b""), fields.get(b"hash", b"").decode()
    if stored_hash != chained_hash(previous, encoded):
        return Sentence(
            "entry {number} was changed, or an entry before it was removed or inserted", number=number
        )
    try:
        entry = _DECODER.decode(encoded)
    except msgspec.DecodeError:
        return Sentence("entry {number} cannot be read", number=number)
    if (entry.chain, entry.number) != (org, number):
        return Sentence("entry {number} belongs to another place", number=number)
    return None


def _stored(sentence: Sentence) -> AuditText:
    return AuditText(
        sentence.template,
        {name: _stored_param(value) for name, value in sentence.params.items()},
    )


def _stored_param(value: str | int | Sentence) -> str | int | AuditText:
    if isinstance(value, Sentence):
        return _stored(value)
    return value[:MAX_TEXT] if isinstance(value, str) else value


def _row(fields: Mapping[bytes, bytes]) -> AuditRow:
    return AuditRow(_DECODER.decode(fields[b"entry"]), fields[b"hash"].decode())


_MISSING_HASH: Final = Sentence(
    "the chain does not contain the expected hash: entries were replaced or removed"
)
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(AuditEntry)
