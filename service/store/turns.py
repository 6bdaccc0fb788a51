"""One turn of one shop: the six scripts behind the drain, each atomic, each asking first whether the lock is ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgpack
import msgspec
from arq.connections import ArqRedis

from service.domain.customers import CustomerId, OrgId
from service.errors import TaggerError
from service.store import keys
from service.store.bucket import Bucket, Grant, Permit, Wait
from service.store.marks import Lane
from service.store.script import script

LOCK_MS: Final = 15_000
MOST_TAKEN: Final = 50  # as many as one `ids=` call may ask for
Outcome = Literal["done", "lost", "version", "moved", "day", "shadow"]


class LockLost(TaggerError):
    """The shop's lock is not ours any more: start nothing, write nothing, stop the turn."""


class Mark(NamedTuple):
    """A marked customer as it was taken."""

    customer: CustomerId
    n: int
    lane: Lane
    first_ms: int
    updated_ms: int  # the newest `updated_at` of the bodies that marked it; 0 = none said
    tries: int
    gone_ms: int  # when a 404 was first seen; 0 = never
    lag: int  # how often the record was found older than its webhook
    cause: str  # comma-joined: `delivery`, `replay:R1`, …
    ids: str  # comma-joined delivery ids, the last 20


class Planned(NamedTuple):
    """A customer whose plan waits to be carried out."""

    mark: Mark
    plan: bytes


class Refused(NamedTuple):
    """The call may not be made: `lost`, `moved`, `version`, `stale`, `begun`, `shadow`, `paused` or `removals`."""

    why: str


class Letter(msgspec.Struct, frozen=True):
    """A dead letter: what a person has to look at. `text` never carries a customer's data."""

    cause: str
    text: str
    transient: bool = False  # tried again daily by itself


class Item(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What becomes of one customer; the field names are those of settle.lua. None leaves a thing as it is."""

    op: Literal["clear", "plan", "later", "ready", "dead", "purge"]
    cid: str
    n: int
    read: str | None = None  # digests, joined by a space
    snap: bytes | None = None
    owned: bytes | None = None  # b"" = nothing
    intents: bytes | None = None
    held: bytes | None = None
    strikes: bytes | None = None
    day: int | None = None  # the ordinal day on which the tags may change by themselves
    plan: bytes | None = None
    restores: bytes | None = None  # still to be put back
    restored: bytes | None = None  # what was to be put back and is settled; newer orders stay
    due: int | None = None  # ms
    again: int | None = None  # ms: look once more then
    fields: dict[str, str] | None = None
    entries: list[bytes] | None = None  # of the ledger
    drift: list[str] | None = None  # `+VIP`, `-VIP`: what others did to the tags
    added: int = 0
    removed: int = 0
    answered: bool = False  # a write was made and answered: what it made ours is kept even if the mark moved
    letter: Letter | None = None
    shadow: str | None = None  # digest of what is decided and not written: that holds in shadow mode only
    shown: list[bytes] | None = None  # its entries of the ledger, where it is another than the last one


class Ring(NamedTuple):
    """Whether and when the shop is to be woken again after a turn."""

    number: int  # 0 = not at all
    delay_ms: int


class Turns:
    """Begins turns. `clock_ms` is for simulations and tests: 0 stands for the server's own time."""

    def __init__(self, redis: ArqRedis, *, bucket: Bucket, clock_ms: Callable[[], int] = lambda: 0) -> None:
        self.redis = redis
        self.bucket = bucket
        self.clock_ms = clock_ms
        self.lock = script(redis, "place", "lock")
        self.take = script(redis, "place", "held", "take")
        self.permit = script(redis, "place", "held", "bucket", "permit")
        self.settle = script(redis, "place", "held", "settle")
        self.release = script(redis, "place", "release")

    async def begin(self, org: OrgId, *, token: str) -> Turn | None:
        """Take the shop's lock, or None where somebody else has it."""
        taken, now_ms, version, state = await self.lock(
            keys=[keys.shop(org)], args=[self.clock_ms(), token, LOCK_MS]
        )
        if not taken:
            return None
        pairs = {field.decode(): value.decode() for field, value in zip(state[::2], state[1::2], strict=True)}
        return Turn(self, org, token, version=int(version), now_ms=now_ms, state=pairs)


class Turn:
    """The shop is ours until `release`, or until the lock is lost."""

    def __init__(
        self, turns: Turns, org: OrgId, token: str, *, version: int, now_ms: int, state: Mapping[str, str]
    ) -> None:
        self._turns = turns
        self._token = token
        self._keys = [keys.shop(org)]
        self.org = org
        self.version = version
        self.now_ms = now_ms
        self.state = state

    async def take(self, *, most: int = MOST_TAKEN, linger_ms: int = 0) -> tuple[list[Mark], int]:
        """Take ready customers; and how many ms to let a trickle gather when there are few."""
        reply = await self._turns.take(
            keys=self._keys, args=[self._turns.clock_ms(), self._token, most, linger_ms]
        )
        if reply[0] == b"lost":
            raise LockLost("the lock was lost before a take")
        self.now_ms = reply[1]
        return [_mark(cid, flat) for cid, flat in zip(reply[3::2], reply[4::2], strict=True)], reply[2]

    async def settle(self, items: Sequence[Item], *, today: int) -> list[Outcome]:
        """Carry out what was decided on each customer; each outcome says whether it was."""
        if not items:
            return []
        reply: list[bytes] = await self._turns.settle(
            keys=self._keys,
            args=[self._turns.clock_ms(), self._token, self.version, today, _packed(items)],
        )
        outcomes: list[Any] = [outcome.decode() for outcome in reply]
        return outcomes

    async def planned(self, *, most: int) -> list[Planned]:
        """Customers with a plan, live first, oldest first; a tenth of them bulk, however many are live."""
        redis = self._turns.redis
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zrange(keys.shop(self.org, "plan:live"), 0, most - 1)
            pipe.zrange(keys.shop(self.org, "plan:bulk"), 0, most - 1)
            live, bulk = await pipe.execute()
        share = min(len(bulk), math.ceil(most / 10)) if most > 1 else 0
        ids = [*live[: most - share], *bulk][:most]
        async with redis.pipeline(transaction=False) as pipe:
            for cid in ids:
                pipe.hgetall(keys.shop(self.org, f"mark:{cid.decode()}"))
            marks = await pipe.execute()
        return [
            Planned(_from_fields(int(cid), fields), fields[b"plan"])
            for cid, fields in zip(ids, marks, strict=True)
            if fields.get(b"place") == b"planned" and b"plan" in fields
        ]

    async def permit_read(self, *, lane: Lane, reserve: int) -> Grant | Wait | Refused:
        """May a read be made for this shop?"""
        return await self._permit(lane, "read", reserve, ["", 0, 0, 0, b"", 0, 0])

    async def permit_write(
        self,
        mark: Mark,
        *,
        version: int,
        decided_ms: int,
        intents: bytes,
        removals: int,
        ours: int,
        reserve: int,
    ) -> Grant | Wait | Refused:
        """May a write be made for this customer, and does everything stand that it was decided on?

        `version` is the one that decided: the turn's own may be newer. A grant has stored `intents`. `removals` counts the tags to remove that neither a publish nor the
        calendar explains; `ours` is how many customers have tags of ours.
        """
        guard = [mark.customer, mark.n, version, decided_ms, intents, removals, ours]
        return await self._permit(mark.lane, "write", reserve, guard)

    async def _permit(self, lane: Lane, kind: str, reserve: int, guard: list[Any]) -> Grant | Wait | Refused:
        args = [self._turns.clock_ms(), self._token, lane, kind, *guard, *self._turns.bucket.terms(reserve)]
        reply = await self._turns.permit(keys=self._keys, args=args)
        if reply[0] == b"granted":
            return Grant(Permit(reply[1].decode()))
        if reply[0] == b"wait":
            return Wait(reply[1] / 1000, "no room")
        return Refused(reply[1].decode())

    async def remember(self, state: Mapping[str, str]) -> None:
        """Keep fields of the shop's state at once, without waiting for `release`."""
        await self._turns.redis.hset(keys.shop(self.org, "state"), mapping=dict(state))

    async def release(self, *, wait_ms: int, state: Mapping[str, str]) -> Ring:
        """Give up the lock, keep the changed fields of the state ("" removes one), and say when to ring."""
        flat = [part for pair in state.items() for part in pair]
        ring, number, delay_ms = await self._turns.release(
            keys=self._keys, args=[self._turns.clock_ms(), self._token, wait_ms, *flat]
        )
        return Ring(number if ring else 0, delay_ms)


def _packed(items: Sequence[Item]) -> bytes:
    """The items as Lua's old msgpack reads them: it knows texts only, and takes any bytes for one."""
    plain = [
        {name: value for name, value in msgspec.structs.asdict(item).items() if value is not None}
        | ({"letter": msgspec.structs.asdict(item.letter)} if item.letter is not None else {})
        for item in items
    ]
    packed: bytes = msgpack.packb(plain, use_bin_type=False)
    return packed


def _mark(cid: bytes, flat: list[bytes]) -> Mark:
    return _from_fields(int(cid), dict(zip(flat[::2], flat[1::2], strict=True)))


def _from_fields(customer: int, fields: Mapping[bytes, bytes]) -> Mark:
    def number(name: bytes) -> int:
        return int(fields.get(name) or 0)

    return Mark(
        customer=CustomerId(customer),
        n=number(b"n"),
        lane="live" if fields.get(b"lane") == b"live" else "bulk",
        first_ms=number(b"first"),
        updated_ms=number(b"upd"),
        tries=number(b"tries"),
        gone_ms=number(b"gone"),
        lag=number(b"lag"),
        cause=fields.get(b"cause", b"").decode(),
        ids=fields.get(b"ids", b"").decode(),
    )
