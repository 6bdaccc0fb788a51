"""Random histories of a few customers: no webhook is missed by a dequeue, and no settlement overwrites a newer mark."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Literal

import pytest

from service.domain.customers.customer import CustomerId, OrgId
from service.store.client import RedisClient, keys
from service.store.history.deliveries import MAX_PER_CUSTOMER, list_for_customer
from service.store.queue.dirty import DirtyEvent, mark_dirty
from service.store.queue.lease import LeaseManager, ShopLease, WriteDenied
from service.store.queue.rate_limiter import RateLimiter
from service.store.queue.settlement import DeadLetterDraft, Mark, Settlement

ORG = OrgId("1000000001")
P = keys.shop(ORG)
RETENTION_S = 86_400
CROWD = (1, 2, 3)
TODAY = 739_000

Op = Literal["complete", "plan", "delay", "requeue", "dead_letter"]


@dataclass
class Life:
    """A random history, and what must follow from it."""

    redis: RedisClient
    random: Random
    now_ms: int = 1_800_000_000_000
    number: int = 0
    updated_ms: dict[int, int] = field(default_factory=dict)  # the newest `updated_at` of each customer
    deliveries: dict[int, list[str]] = field(default_factory=dict)
    open: dict[int, Mark] = field(default_factory=dict)  # dequeued, and unchanged since
    moved: dict[int, Mark] = field(default_factory=dict)  # dequeued, and marked since

    def leases(self) -> LeaseManager:
        return LeaseManager(
            self.redis,
            rate_limiter=RateLimiter(self.redis, clock_ms=lambda: self.now_ms),
            clock_ms=lambda: self.now_ms,
        )

    async def lease(self) -> ShopLease:
        lease = await self.leases().acquire(ORG, token="lease")
        if lease is None:
            await self.redis.delete(P + "lease")
            lease = await self.leases().acquire(ORG, token="lease")
        assert lease is not None
        return lease

    async def happens(self) -> None:
        """A batch of webhooks, or of marks by a replay."""
        live, events = self.random.random() < 0.8, []
        for _ in range(self.random.choice((1, 1, 2, 30))):
            customer, moment = self.random.choice(CROWD), self.random.randrange(1, 1000)
            self.number += 1
            identity = self.number.to_bytes(16) if live else b""
            cause = self.random.choice(("delivery", "delivery", "deletion")) if live else "replay:R1"
            events.append(
                DirtyEvent(
                    str(customer), updated_ms=str(moment if live else 0), identity=identity, cause=cause
                )
            )
            if live:
                self.updated_ms[customer] = max(moment, self.updated_ms.get(customer, 0))
            if customer in self.open:
                self.moved[customer] = self.open.pop(customer)
        made = await mark_dirty(
            self.redis,
            ORG,
            events,
            lane="live" if live else "bulk",
            retention_s=RETENTION_S,
            now_ms=self.now_ms,
        )
        for event, one in zip(events, made, strict=True):
            if one.delivery:
                self.deliveries.setdefault(int(event.customer), []).append(one.delivery)

    async def dequeue(self) -> None:
        marks, _ = await (await self.lease()).dequeue(linger_ms=0)
        for mark in marks:
            self.moved.pop(mark.customer, None)
            self.open[mark.customer] = mark
            assert mark.updated_ms == self.updated_ms.get(mark.customer, 0)
            last = self.deliveries.get(mark.customer, [""])[-1]
            assert mark.last_delivery in (last, "")  # a mark after a settlement may have no delivery

    async def settle(self) -> None:
        """A settlement is executed if nothing happened to the customer since the dequeue, and superseded otherwise."""
        taken = [(one, True) for one in self.open.values()] + [(one, False) for one in self.moved.values()]
        if not taken:
            return
        one, stands = self.random.choice(taken)
        ops: tuple[Op, ...] = ("complete", "plan", "delay", "requeue", "dead_letter")
        op = self.random.choice(ops)
        settlement = Settlement(
            op=op,
            mark=one,
            plan=b"plan" if op == "plan" else None,
            due_ms=self.now_ms + 500 if op == "delay" else None,
            dead_letter=DeadLetterDraft("rejected", "no") if op == "dead_letter" else None,
        )
        outcome = await (await self.lease()).settle([settlement], today=TODAY)
        assert outcome == ["done" if stands else "superseded"]
        if stands and op != "plan":
            del self.open[one.customer]

    async def write(self) -> None:
        """A planned write is permitted only while nothing happened since the customer was taken."""
        for one, stands in [(x, True) for x in self.open.values()] + [
            (x, False) for x in self.moved.values()
        ]:
            if await self.redis.hget(P + f"mark:{one.customer}", "state") != b"planned" and stands:
                continue
            answer = await (await self.lease()).permit_write(
                one,
                lane=one.lane,
                version=0,
                decided_ms=self.now_ms,
                intents=b"",
                removals=0,
                owners=0,
                reserve=0,
            )
            assert (answer == WriteDenied("superseded")) is not stands
            return

    async def passes(self) -> None:
        self.now_ms += self.random.choice((1, 100, 2500, 20_000))

    async def check(self) -> None:
        """The last deliveries of each customer are found, in their order."""
        for customer, made in self.deliveries.items():
            found = await list_for_customer(self.redis, ORG, CustomerId(customer))
            assert [each.id for each in found] == made[-MAX_PER_CUSTOMER:][::-1]
            if await self.redis.exists(P + f"deliveries_by_customer:{customer}"):
                assert 0 < await self.redis.ttl(P + f"deliveries_by_customer:{customer}") <= RETENTION_S


@pytest.mark.parametrize("seed", range(40))
async def test_no_delivery_is_missed_and_no_newer_mark_is_settled(redis: RedisClient, seed: int) -> None:
    life = Life(redis, Random(seed))
    steps = (life.happens, life.happens, life.dequeue, life.settle, life.write, life.passes)

    for _ in range(60):
        await life.random.choice(steps)()
        await life.check()
