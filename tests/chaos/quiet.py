"""Waiting until a system without faults has nothing left to do; what merely waits is told to wait no longer.

Nobody is marked who is not marked already, and no shop is rung for unless a breaker of its was closed here: a mark or
a wake-up that got lost stays lost, and is found out.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from service.domain.customers.customer import CustomerId, OrgId
from service.store.client import keys
from service.store.queue import dead_letters, dirty
from tests.chaos.load import Shopful
from tests.chaos.stage import Stage

NUDGE_EVERY_S = 3.0
READY = ("ready:live", "ready:bulk", "planned:live", "planned:bulk")


@dataclass(slots=True)
class Nurse:
    """Plays the person on call, and counts what that person had to do."""

    stage: Stage
    done: Counter[str] = field(default_factory=Counter)
    _nudged: set[tuple[OrgId, CustomerId]] = field(default_factory=set)
    left: str = ""  # what was still to do when it was last looked at

    async def quiet(self, *, within_s: float) -> bool:
        """Wait until nothing is to be done twice in a row; False when it takes too long."""
        nudged, calm, end = 0.0, 0, time.monotonic() + within_s
        while calm < 2:
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.3)
            nudging = time.monotonic() - nudged > NUDGE_EVERY_S
            nudged = time.monotonic() if nudging else nudged
            left = [await self._look(shop, nudging=nudging) for shop in self.stage.shops]
            self.left = ", ".join(filter(None, left))
            calm = 0 if self.left else calm + 1
        return True

    async def _look(self, shop: Shopful, *, nudging: bool) -> str:
        org = OrgId(shop.handle.org)
        redis = self.stage.store.redis
        ready = sum([await redis.zcard(keys.shop(org, name)) for name in READY])
        waiting = await self._waiting(shop, org)
        pending = shop.witness.pending
        await self._open(org)
        if nudging and waiting:
            self.done["waiting customers told to come"] += len(waiting)
            self._nudged.update((org, each) for each in waiting)
            await dirty.mark_dirty_customers(redis, org, list(waiting), cause="nudge", lane="live")
        if not (ready or waiting or pending):
            return await self._letters(shop, org)
        return f"{org}: {ready} ready, {len(waiting)} waiting, {pending} deliveries"

    async def _waiting(self, shop: Shopful, org: OrgId) -> set[CustomerId]:
        """Who waits to be read; not who was, and is only to be looked at once more in ten minutes."""
        redis = self.stage.store.redis
        later = [CustomerId(int(each)) for each in await redis.zrange(keys.shop(org, "delayed"), 0, -1)]
        waiting = [each for each in later if each not in shop.deleted]
        causes = [await redis.hget(keys.shop(org, f"mark:{each}"), "reasons") for each in waiting]
        return {
            each
            for each, cause in zip(waiting, causes, strict=True)
            if cause != b"requeue" or (org, each) not in self._nudged
        }

    async def _open(self, org: OrgId) -> None:
        """End pauses, breakers' rests and the removal brake."""
        redis, state = self.stage.store.redis, keys.shop(org, "state")
        now_ms = int((await redis.time())[0]) * 1000
        paused, reads, writes, brake = await redis.hmget(
            state, ["paused", "read_open_until", "write_open_until", "removals_paused"]
        )
        if paused:
            self.done[f"pauses ended: {paused.decode()}"] += 1
            await self.stage.registry.resume(org)
        if brake:
            self.done["removal brakes released"] += 1
            await self.stage.registry.resume_removals(org)
        if max(int(reads or 0), int(writes or 0)) > now_ms:
            self.done["breakers closed"] += 1
            names = [f"{kind}_{name}" for kind in ("read", "write") for name in ("failures", "open_until")]
            await redis.hdel(state, *names)
            await redis.zadd(keys.partition_key(org, "due_shops"), {org: now_ms})

    async def _letters(self, shop: Shopful, org: OrgId) -> str:
        """Try transient dead letters again, as the service itself would within a day."""
        letters = await dead_letters.list_open(self.stage.store.redis, org)
        again = [each.customer for each in letters if each.transient and each.customer not in shop.deleted]
        if not again:
            return ""
        self.done["dead letters tried again"] += len(again)
        await dirty.mark_dirty_customers(self.stage.store.redis, org, again, cause="retry", lane="live")
        return f"{org}: {len(again)} dead letters"
