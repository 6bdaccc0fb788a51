"""Waits until a system without faults has nothing left to do, and shortens its waits as a person on call could.

It marks only customers that are marked already, and it wakes a shop only if it closed the shop's circuit breaker here.
So a lost mark or a lost wake-up stays lost, and is noticed.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from service.domain.customers import CustomerId, OrgId
from service.store.client import keys
from service.store.queue import count_due, dirty, list_open
from tests.chaos.environment import Environment
from tests.chaos.load import ShopUnderLoad

NUDGE_INTERVAL_S = 3.0


@dataclass(slots=True)
class OnCall:
    """The person on call; `interventions` counts what that person did."""

    environment: Environment
    interventions: Counter[str] = field(default_factory=Counter)
    remaining: str = ""  # what was left to do at the last check
    _nudged: set[tuple[OrgId, CustomerId]] = field(default_factory=set)

    async def wait_until_idle(self, *, timeout_s: float) -> bool:
        """Wait until two checks in a row find nothing to do. False after the timeout."""
        nudged_s, idle_checks, end_s = 0.0, 0, time.monotonic() + timeout_s
        while idle_checks < 2:
            if time.monotonic() > end_s:
                return False
            await asyncio.sleep(0.3)
            may_nudge = time.monotonic() - nudged_s > NUDGE_INTERVAL_S
            nudged_s = time.monotonic() if may_nudge else nudged_s
            remaining = [await self._check(shop, may_nudge=may_nudge) for shop in self.environment.shops]
            self.remaining = ", ".join(filter(None, remaining))
            idle_checks = 0 if self.remaining else idle_checks + 1
        return True

    async def _check(self, shop: ShopUnderLoad, *, may_nudge: bool) -> str:
        """What the shop has left to do; empty when there is nothing."""
        org = OrgId(shop.handle.org)
        redis = self.environment.store.redis
        ready = await count_due(redis, org, until_ms=0)
        delayed = await self._delayed(shop, org)
        pending = shop.deliveries.pending
        await self._end_pauses(org)
        if may_nudge and delayed:
            self.interventions["delayed customers requeued"] += len(delayed)
            self._nudged.update((org, customer) for customer in delayed)
            await dirty.mark_dirty_customers(redis, org, list(delayed), cause="nudge", lane="live")
        if not (ready or delayed or pending):
            return await self._retry_dead_letters(shop, org)
        return f"{org}: {ready} ready, {len(delayed)} delayed, {pending} deliveries"

    async def _delayed(self, shop: ShopUnderLoad, org: OrgId) -> set[CustomerId]:
        """Customers that wait for a retry or a first read, without those that only get one more look in ten minutes."""
        redis = self.environment.store.redis
        members = await redis.zrange(keys.shop(org, "delayed"), 0, -1)
        delayed = [
            customer for member in members if (customer := CustomerId(int(member))) not in shop.deleted
        ]
        causes = [await redis.hget(keys.shop(org, f"mark:{customer}"), "reasons") for customer in delayed]
        return {
            customer
            for customer, cause in zip(delayed, causes, strict=True)
            if cause != b"requeue" or (org, customer) not in self._nudged
        }

    async def _end_pauses(self, org: OrgId) -> None:
        """End pauses, open circuit breakers and the removal guard's pause."""
        redis, state = self.environment.store.redis, keys.shop(org, "state")
        now_ms = int((await redis.time())[0]) * 1000
        paused, reads, writes, removals_paused = await redis.hmget(
            state, ["paused", "read_open_until", "write_open_until", "removals_paused"]
        )
        if paused:
            self.interventions[f"pauses ended: {paused.decode()}"] += 1
            await self.environment.registry.resume(org)
        if removals_paused:
            self.interventions["removals resumed"] += 1
            await self.environment.registry.resume_removals(org)
        if max(int(reads or 0), int(writes or 0)) > now_ms:
            self.interventions["circuit breakers closed"] += 1
            names = [f"{kind}_{name}" for kind in ("read", "write") for name in ("failures", "open_until")]
            await redis.hdel(state, *names)
            await redis.zadd(keys.partition_key(org, "due_shops"), {org: now_ms})

    async def _retry_dead_letters(self, shop: ShopUnderLoad, org: OrgId) -> str:
        """Retry transient dead letters, as the service itself does within a day."""
        redis = self.environment.store.redis
        retried = [
            letter.customer
            for letter in await list_open(redis, org)
            if letter.transient and letter.customer not in shop.deleted
        ]
        if not retried:
            return ""
        self.interventions["dead letters retried"] += len(retried)
        await dirty.mark_dirty_customers(redis, org, retried, cause="retry", lane="live")
        return f"{org}: {len(retried)} dead letters"
