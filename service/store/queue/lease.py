"""One drain of one shop: the scripts behind it. Each is atomic, and each checks first whether the lease is ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from arq.connections import ArqRedis

from service.domain.customers import CustomerId, OrgId
from service.errors import TaggerError
from service.store.client import keys, load_script
from service.store.queue.dirty import Lane
from service.store.queue.rate_limiter import Denied, Granted, Permit, RateLimiter
from service.store.queue.settlement import (
    Mark,
    Outcome,
    Settlement,
    encode_settlements,
    mark_from_hash,
    mark_from_reply,
)

LEASE_MS: Final = 15_000
BATCH_SIZE: Final = 50  # as many as one `ids=` call may ask for
MAX_LINGER_MS: Final = 2000


class LeaseLost(TaggerError):
    """The shop's lease is not ours any more: start nothing, write nothing, end the drain."""


class WriteDenied(NamedTuple):
    """The call may not be made.

    `lease_lost`, `superseded`, `version_changed`, `plan_expired`, `write_in_doubt`, `shadow_mode`, `paused` or
    `removals_paused`.
    """

    reason: str


class NextWakeup(NamedTuple):
    """Whether and when the shop is to be woken again after a drain."""

    number: int  # 0 = not at all
    delay_ms: int


class LeaseManager:
    """Acquires leases. `clock_ms` is for simulations and tests: 0 stands for the server's own time."""

    def __init__(
        self,
        redis: ArqRedis,
        *,
        rate_limiter: RateLimiter,
        clock_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        self.redis = redis
        self.rate_limiter = rate_limiter
        self.clock_ms = clock_ms
        # attributes, so that a witness can wrap them
        self.lease_acquire: Any = load_script("queue", "lease_acquire")
        self.dequeue: Any = load_script("queue", "dequeue")
        self.permit: Any = load_script("queue", "permit")
        self.settle: Any = load_script("queue", "settle")
        self.lease_release: Any = load_script("queue", "lease_release")

    async def acquire(self, org: OrgId, *, token: str) -> ShopLease | None:
        """Acquire the shop's lease, or None where somebody else holds it."""
        acquired, now_ms, version, planned, owners, state = await self.lease_acquire(
            self.redis, org, self.clock_ms(), token, LEASE_MS
        )
        if not acquired:
            return None
        pairs = {field.decode(): value.decode() for field, value in zip(state[::2], state[1::2], strict=True)}
        return ShopLease(
            self,
            org,
            token,
            version=int(version),
            now_ms=now_ms,
            state=pairs,
            planned_before=planned,
            owners=owners,
        )


class ShopLease:
    """The shop is ours until `release`, or until the lease is lost.

    `owners`: how many customers have tags of ours, as the drain began.
    """

    def __init__(
        self,
        leases: LeaseManager,
        org: OrgId,
        token: str,
        *,
        version: int,
        now_ms: int,
        state: Mapping[str, str],
        planned_before: int = 0,
        owners: int = 0,
    ) -> None:
        self._leases = leases
        self._token = token
        # Plans that this drain has made. The stored plans are for the case that it dies; while there are no others,
        # nobody needs to read them.
        self._plans: dict[tuple[CustomerId, int], tuple[Mark, bytes]] = {}
        self._has_earlier_plans = planned_before > 0
        self.org = org
        self.version = version
        self.now_ms = now_ms
        self.state = state
        self.owners = owners

    async def dequeue(
        self, *, limit: int = BATCH_SIZE, linger_ms: int = MAX_LINGER_MS
    ) -> tuple[list[Mark], int]:
        """Dequeue ready customers; and how many ms to linger, so that a trickle gathers while calls are scarce."""
        turns = self._leases
        reply = await turns.dequeue(
            turns.redis,
            self.org,
            turns.clock_ms(),
            self._token,
            limit,
            linger_ms,
            turns.rate_limiter.leak_per_s,
        )
        if reply[0] == b"lease_lost":
            raise LeaseLost("the lease was lost before a dequeue")
        self.now_ms = reply[1]
        return [
            mark_from_reply(cid, flat) for cid, flat in zip(reply[3::2], reply[4::2], strict=True)
        ], reply[2]

    async def settle(self, settlements: Sequence[Settlement], *, today: int) -> list[Outcome]:
        """Carry out what was decided on each customer; each outcome says whether it was."""
        if not settlements:
            return []
        turns = self._leases
        reply: list[bytes] = await turns.settle(
            turns.redis,
            self.org,
            turns.clock_ms(),
            self._token,
            self.version,
            today,
            encode_settlements(settlements),
        )
        outcomes: list[Any] = [outcome.decode() for outcome in reply]
        for each, outcome in zip(settlements, outcomes, strict=True):
            if each.plan is None:
                self._drop_plan(each.mark)
            elif outcome == "done":
                # the plan settles these fields of the mark
                mark = each.mark._replace(missing_since_ms=0, stale_reads=0)
                self._plans[mark.customer, mark.generation] = mark, each.plan
        return outcomes

    async def planned_writes(self, *, limit: int) -> list[tuple[Mark, bytes]]:
        """Customers with a plan, live first, oldest first; a tenth of them bulk, however many are live."""
        if not self._has_earlier_plans:
            return _share(self._plans.values(), limit)
        redis = self._leases.redis
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zrange(keys.shop(self.org, "planned:live"), 0, limit - 1)
            pipe.zrange(keys.shop(self.org, "planned:bulk"), 0, limit - 1)
            live, bulk = await pipe.execute()
            ids = [*live, *bulk]
            for cid in ids:
                pipe.hgetall(keys.shop(self.org, f"mark:{cid.decode()}"))
            marks = await pipe.execute()
        return _share(
            [
                (mark_from_hash(int(cid), fields), fields[b"plan"])
                for cid, fields in zip(ids, marks, strict=True)
                if fields.get(b"state") == b"planned" and b"plan" in fields
            ],
            limit,
        )

    async def permit_read(self, *, lane: Lane, reserve: int) -> Granted | Denied | WriteDenied:
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
        owners: int,
        reserve: int,
    ) -> Granted | Denied | WriteDenied:
        """May a write be made for this customer, and does everything hold that it was decided on?

        `version` is the one that decided: the drain's own may be newer. A grant has stored `intents`. `removals` counts
        the tags to remove that neither a publish nor the schedule explains; `ours` is how many customers have tags of
        ours.
        """
        guard = [mark.customer, mark.generation, version, decided_ms, intents, removals, owners]
        answer = await self._permit(mark.lane, "write", reserve, guard)
        if isinstance(answer, WriteDenied):
            self._drop_plan(mark)
        return answer

    async def _permit(
        self, lane: Lane, kind: str, reserve: int, guard: list[Any]
    ) -> Granted | Denied | WriteDenied:
        turns = self._leases
        reply = await turns.permit(
            turns.redis,
            self.org,
            turns.clock_ms(),
            self._token,
            lane,
            kind,
            *guard,
            *turns.rate_limiter.script_args(reserve),
        )
        if reply[0] == b"granted":
            return Granted(Permit(reply[1].decode()))
        if reply[0] == b"wait":
            return Denied(reply[1] / 1000, "no room")
        return WriteDenied(reply[1].decode())

    def _drop_plan(self, mark: Mark) -> None:
        self._plans.pop((mark.customer, mark.generation), None)

    async def release(self, *, wait_ms: int, state: Mapping[str, str]) -> NextWakeup:
        """Release the lease, save the changed fields of the state ("" removes one), and say when to wake the shop."""
        turns = self._leases
        flat = [part for pair in state.items() for part in pair]
        wake, number, delay_ms = await turns.lease_release(
            turns.redis, self.org, turns.clock_ms(), self._token, wait_ms, *flat
        )
        return NextWakeup(number if wake else 0, delay_ms)


def _share(plans: Iterable[tuple[Mark, bytes]], limit: int) -> list[tuple[Mark, bytes]]:
    """The first of both lanes: live first, but a tenth bulk."""
    live: list[tuple[Mark, bytes]] = []
    bulk: list[tuple[Mark, bytes]] = []
    for each in plans:
        (live if each[0].lane == "live" else bulk).append(each)
    share = min(len(bulk), math.ceil(limit / 10)) if limit > 1 else 0
    return [*live[: limit - share], *bulk][:limit]
