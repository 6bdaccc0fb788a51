"""The lease of a shop and the scripts of a drain. Each script is atomic and first checks that the lease is still held."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from service.domain.customers import CustomerId, OrgId
from service.errors import TaggerError
from service.store.client import RedisClient, keys, load_script
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
BATCH_SIZE: Final = 50  # customers; the maximum of one `ids=` call
MAX_LINGER_MS: Final = 2000


class LeaseLost(TaggerError):
    """Another worker may hold the shop's lease. The drain must end without another call or write."""


class WriteDenied(NamedTuple):
    """The call must not be made.

    Reasons: `lease_lost`, `superseded`, `version_changed`, `plan_expired`, `write_in_doubt`, `shadow_mode`, `frozen`,
    `paused` and `removals_paused`.
    """

    reason: str


class NextWakeup(NamedTuple):
    """When to wake the shop again after a drain."""

    number: int  # 0 = do not wake it
    delay_ms: int


class LeaseManager:
    """Acquires leases. `clock_ms` is the clock of a simulation or a test; 0 stands for the server's own time.

    `process_channel` is that of the process's `Liveness`: its leases end with the process, not only with their time.
    """

    def __init__(
        self,
        redis: RedisClient,
        *,
        rate_limiter: RateLimiter,
        clock_ms: Callable[[], int] = lambda: 0,
        process_channel: str = "",
    ) -> None:
        self.redis = redis
        self.rate_limiter = rate_limiter
        self.clock_ms = clock_ms
        self.process_channel = process_channel
        # attributes, so that a witness in tests can wrap them
        self.lease_acquire: Any = load_script("queue", "lease_acquire")
        self.dequeue: Any = load_script("queue", "dequeue")
        self.permit: Any = load_script("queue", "permit")
        self.settle: Any = load_script("queue", "settle")
        self.lease_release: Any = load_script("queue", "lease_release")

    async def acquire(self, org: OrgId, *, token: str) -> ShopLease | None:
        """Acquire the shop's lease. None if another drain holds it."""
        acquired, now_ms, version, planned, owners, state = await self.lease_acquire(
            self.redis, org, self.clock_ms(), token, LEASE_MS, self.process_channel
        )
        if not acquired:
            return None
        return ShopLease(
            self,
            org,
            token,
            version=int(version),
            now_ms=now_ms,
            state={field.decode(): value.decode() for field, value in _pairs(state)},
            planned_before=planned,
            owners=owners,
        )


class ShopLease:
    """Exclusive work on one shop until `release`, or until the lease is lost.

    `owners` is the number of customers with tags of ours when the lease was acquired.
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
        # Plans that this drain has made. The stored copies serve the next drain if this one dies. If there were no
        # stored plans before, nothing needs to be read back.
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
        """Dequeue ready customers. If there are none, the second value says how many ms to linger.

        While API calls are scarce, lingering gathers customers that arrive one by one. Raises LeaseLost.
        """
        leak_per_s = self._leases.rate_limiter.leak_per_s
        reply = await self._run(self._leases.dequeue, limit, linger_ms, leak_per_s)
        if reply[0] == b"lease_lost":
            raise LeaseLost("the lease was lost before a dequeue")
        _, self.now_ms, wait_ms, *customers = reply
        return [mark_from_reply(customer, fields) for customer, fields in _pairs(customers)], wait_ms

    async def settle(self, settlements: Sequence[Settlement], *, today: int) -> list[Outcome]:
        """Execute what was decided on each customer. Each outcome is `done`, or why it was not executed."""
        if not settlements:
            return []
        reply: list[bytes] = await self._run(
            self._leases.settle, self.version, today, encode_settlements(settlements)
        )
        outcomes: list[Any] = [outcome.decode() for outcome in reply]
        for settlement, outcome in zip(settlements, outcomes, strict=True):
            if settlement.plan is None:
                self._drop_plan(settlement.mark)
            elif outcome == "done":
                mark = settlement.mark._replace(missing_since_ms=0, stale_reads=0)  # as settle.lua saved it
                self._plans[mark.customer, mark.generation] = mark, settlement.plan
        return outcomes

    async def planned_writes(self, *, limit: int) -> list[tuple[Mark, bytes]]:
        """Customers with a plan, live first, oldest first. A tenth of them is bulk, however many are live."""
        if not self._has_earlier_plans:
            return _share(self._plans.values(), limit)
        async with self._leases.redis.pipeline(transaction=False) as pipe:
            pipe.zrange(keys.shop(self.org, "planned:live"), 0, limit - 1)
            pipe.zrange(keys.shop(self.org, "planned:bulk"), 0, limit - 1)
            live, bulk = await pipe.execute()
            customers = [*live, *bulk]
            for customer in customers:
                pipe.hgetall(keys.shop(self.org, f"mark:{customer.decode()}"))
            marks = await pipe.execute()
        return _share(
            [
                (mark_from_hash(int(customer), fields), fields[b"plan"])
                for customer, fields in zip(customers, marks, strict=True)
                if fields.get(b"state") == b"planned" and b"plan" in fields
            ],
            limit,
        )

    async def permit_read(self, *, lane: Lane, reserve: int) -> Granted | Denied | WriteDenied:
        """Ask for one API call that reads."""
        return await self._permit(lane, "read", reserve, ["", 0, 0, 0, b"", 0, 0])

    async def permit_write(
        self,
        mark: Mark,
        *,
        lane: Lane,
        version: int,
        decided_ms: int,
        intents: bytes,
        removals: int,
        owners: int,
        reserve: int,
    ) -> Granted | Denied | WriteDenied:
        """Ask for one API call that writes, which needs that everything behind the decision still holds.

        `lane` is that of the rate limiter.
        `version` is the version that decided; the drain's own may be newer. A grant stores `intents`. `removals` is the
        number of tags that the call removes; `owners` is the number of customers with tags of ours, or below 0 if a
        publish, a claim or the schedule explains the removals.
        """
        decision = [mark.customer, mark.generation, version, decided_ms, intents, removals, owners]
        answer = await self._permit(lane, "write", reserve, decision)
        if isinstance(answer, WriteDenied):
            self._drop_plan(mark)
        return answer

    async def release(
        self, *, wait_ms: int, state: Mapping[str, str], has_failed: bool = False
    ) -> NextWakeup:
        """Release the lease and save the changed fields of the shop's state; "" removes a field.

        `wait_ms`: the time until the rate limiter may have room again. `has_failed`: an error ended the drain, so the
        customers that it dequeued and did not settle are suspects, as if its process had died.
        """
        fields = [part for pair in state.items() for part in pair]
        failed = "1" if has_failed else "0"
        wake, number, delay_ms = await self._run(self._leases.lease_release, wait_ms, failed, *fields)
        return NextWakeup(number if wake else 0, delay_ms)

    async def _permit(
        self, lane: Lane, kind: str, reserve: int, decision: list[Any]
    ) -> Granted | Denied | WriteDenied:
        limiter_args = self._leases.rate_limiter.script_args(reserve)
        reply = await self._run(self._leases.permit, lane, kind, *decision, *limiter_args)
        if reply[0] == b"granted":
            return Granted(Permit(reply[1].decode()))
        if reply[0] == b"wait":
            return Denied(reply[1] / 1000, "no room")
        return WriteDenied(reply[1].decode())

    async def _run(self, script: Any, *args: Any) -> Any:
        leases = self._leases
        return await script(leases.redis, self.org, leases.clock_ms(), self._token, *args)

    def _drop_plan(self, mark: Mark) -> None:
        self._plans.pop((mark.customer, mark.generation), None)


def _share(plans: Iterable[tuple[Mark, bytes]], limit: int) -> list[tuple[Mark, bytes]]:
    """At most `limit` plans: live first, but a tenth of them bulk."""
    live: list[tuple[Mark, bytes]] = []
    bulk: list[tuple[Mark, bytes]] = []
    for mark, plan in plans:
        (live if mark.lane == "live" else bulk).append((mark, plan))
    bulk_share = min(len(bulk), math.ceil(limit / 10)) if limit > 1 else 0
    return [*live[: limit - bulk_share], *bulk][:limit]


def _pairs(flat: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """The pairs of a flat list, as scripts reply them."""
    return zip(flat[::2], flat[1::2], strict=True)
