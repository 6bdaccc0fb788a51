"""One turn of one shop: the six scripts behind the drain, each atomic, each asking first whether the lock is ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from arq.connections import ArqRedis

from service.domain.customers import OrgId
from service.errors import TaggerError
from service.store import keys
from service.store.bucket import Bucket, Grant, Permit, Wait
from service.store.marks import Lane
from service.store.script import script
from service.store.settlements import Item, Mark, Outcome, Planned, from_fields, mark_of, packed

LOCK_MS: Final = 15_000
MOST_TAKEN: Final = 50  # as many as one `ids=` call may ask for


class LockLost(TaggerError):
    """The shop's lock is not ours any more: start nothing, write nothing, stop the turn."""


class Refused(NamedTuple):
    """The call may not be made: `lost`, `moved`, `version`, `stale`, `begun`, `shadow`, `paused` or `removals`."""

    why: str


class Ring(NamedTuple):
    """Whether and when the shop is to be woken again after a turn."""

    number: int  # 0 = not at all
    delay_ms: int


class Turns:
    """Begins turns. `clock_ms` is for simulations and tests: 0 stands for the server's own time."""

    def __init__(
        self,
        redis: ArqRedis,
        *,
        bucket: Bucket,
        clock_ms: Callable[[], int] = lambda: 0,
    ) -> None:
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
        turns = self._turns
        reply = await turns.take(keys=self._keys, args=[turns.clock_ms(), self._token, most, linger_ms])
        if reply[0] == b"lost":
            raise LockLost("the lock was lost before a take")
        self.now_ms = reply[1]
        return [mark_of(cid, flat) for cid, flat in zip(reply[3::2], reply[4::2], strict=True)], reply[2]

    async def settle(self, items: Sequence[Item], *, today: int) -> list[Outcome]:
        """Carry out what was decided on each customer; each outcome says whether it was."""
        if not items:
            return []
        reply: list[bytes] = await self._turns.settle(
            keys=self._keys,
            args=[self._turns.clock_ms(), self._token, self.version, today, packed(items)],
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
            Planned(from_fields(int(cid), fields), fields[b"plan"])
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
