"""A shop for tests: the sandbox, a real Valkey and the real drain, with a clock that the test advances."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from deploy.sandbox import Clock, Sandbox, ShopHandle, serve
from service.alerts import Alerts
from service.context import Context
from service.cpu_pool import InProcess
from service.domain.customers.customer import CustomerId, OrgId
from service.domain.decisions.state import OWNERSHIP_CODEC, Ownership
from service.domain.documents.parser import parse_rules
from service.store.client import RedisClient, keys
from service.store.encryption.keyring import KeyRing
from service.store.history import ledger
from service.store.history.ledger import LedgerRow
from service.store.jobs.shared_metrics import Counters
from service.store.queue import dead_letters, dirty
from service.store.queue.dirty import Lane, MarkResult
from service.store.queue.lease import LeaseManager
from service.store.queue.rate_limiter import RateLimiter
from service.store.rules import CompiledRulesCache, Versions
from service.store.shops import FirstLook, save_first_look
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from service.web.webhooks.endpoint import build_event, parse_headers
from service.web.webhooks.shop_cache import WebhookShop
from workers.drain.job import Drain
from workers.haravan.client import open_session
from workers.periodic.housekeeping import Housekeeping
from workers.periodic.pending_jobs import PendingJobs
from workers.periodic.sweep import Sweep

ORG = OrgId("1000000001")
VIP = """
version: 1
rules:
  - id: vip
    tag: VIP
    when: {field: total_spent, op: at_least, value: 10_000_000}
"""
TIERS = """
version: 1
tiers:
  - id: hang
    levels:
      - {tag: Gold, when: {field: total_spent, op: at_least, value: 50_000_000}}
      - {tag: Silver, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""


@dataclass(slots=True)
class Stage:
    """The parts of the test shop, and shortcuts for the steps and checks of tests."""

    redis: RedisClient
    sandbox: Sandbox
    haravan: ShopHandle
    shops: ShopRepository
    versions: Versions
    drain: Drain
    sweep: Sweep
    housekeeping: Housekeeping
    context: Context
    jobs: PendingJobs
    clock: Clock

    @property
    def now_ms(self) -> int:
        return int(self.clock() * 1000)

    def key(self, name: str) -> str:
        return keys.shop(ORG, name)

    async def publish(self, text: str) -> int:
        parent = await self.versions.live_number(ORG)
        return (await self.versions.publish(ORG, parse_rules(text), author="test", parent=parent)).number

    async def deliver(self, body: bytes, topic: str = "customers/update", lane: Lane = "live") -> MarkResult:
        """Store a webhook as the web process does after checking its signature."""
        headers = parse_headers([(b"x-haravan-topic", topic.encode())])
        shop = WebhookShop(ORG, ())
        event = build_event(headers, body, org=ORG, shop=shop, digest=hashlib.sha256(body).digest())
        return (await dirty.mark_dirty(self.redis, ORG, [event], lane=lane, now_ms=self.now_ms))[0]

    async def announce(self, customer: int) -> MarkResult:
        """Deliver the webhook that Haravan sends for the customer as it is now."""
        return await self.deliver(self.haravan.body(customer))

    async def delete_and_announce(self, *customers: int) -> None:
        """Delete customers in the shop, and deliver the webhooks that Haravan sends for it."""
        for customer in customers:
            self.haravan.delete(customer)
            await self.deliver(b'{"id":%d}' % customer, topic="customers/delete")

    async def mark(self, *customers: int, cause: str = "replay:R0", lane: Lane = "bulk") -> None:
        ids = [CustomerId(customer) for customer in customers]
        await dirty.mark_dirty_customers(self.redis, ORG, ids, cause=cause, lane=lane, now_ms=self.now_ms)

    async def turn(self, times: int = 1, *, rest_s: float = 2.5) -> None:
        """Drain the shop some times, with a pause after each."""
        for _ in range(times):
            await self.drain(ORG)
            self.clock.advance(rest_s)

    async def execute_jobs(self) -> int:
        """Execute pending jobs as a new worker does after the lock of a dead one has expired."""
        await self.redis.delete(keys.pending_lock(ORG))
        return await PendingJobs(self.context, InProcess(self.context)).run()

    async def is_marked(self, customer: int) -> bool:
        return bool(await self.redis.exists(self.key(f"mark:{customer}")))

    async def field(self, customer: int, name: str) -> str | None:
        value = await self.redis.hget(self.key(f"mark:{customer}"), name)
        return value.decode() if value is not None else None

    async def owned(self, customer: int) -> dict[str, Ownership]:
        return OWNERSHIP_CODEC.decode(await self.redis.hget(self.key("owned"), str(customer)) or b"")

    async def ledger(self, customer: int) -> list[str]:
        """`+VIP`, `-VIP`, …, oldest first."""
        rows: list[LedgerRow] = await ledger.list_for_customer(self.redis, ORG, CustomerId(customer))
        return [row.entry.action + row.entry.tag for row in reversed(rows)]

    async def letters(self, customer: int) -> set[str]:
        """The causes of the open dead letters."""
        letters = await dead_letters.for_customer(self.redis, ORG, CustomerId(customer))
        return {letter.cause for letter in letters}

    async def state(self, name: str) -> str:
        return (await self.redis.hget(self.key("state"), name) or b"").decode()

    def wrote(self) -> int:
        """How many requests have written tags."""
        calls = self.haravan.calls
        return calls.count("POST tags") + calls.count("DELETE tags") + calls.count("PUT customer")


async def drain_all(stage: Stage, lane: Lane, *, max_drains: int) -> None:
    """Drain until no customer of the lane waits."""
    names = [stage.key(name) for name in (f"ready:{lane}", f"planned:{lane}", "delayed")]
    for _ in range(max_drains):
        if not await stage.redis.exists(*names):
            return
        await stage.turn(rest_s=2)
    raise AssertionError("customers are still waiting")


@asynccontextmanager
async def staged(
    redis: RedisClient,
    *,
    dialect: str = "omni",
    rules: str = VIP,
    echo: bool = False,
    shadow: bool = False,
    first_look: FirstLook = "complete",
    jitter: Callable[[], float] = lambda: 0.5,
) -> AsyncIterator[Stage]:
    """A shop with the given rules. Its clock starts at the current time and stands still until the test advances it."""
    start_s = time.time()
    clock = Clock(lambda: start_s)
    sandbox = Sandbox(clock=clock, echo=echo)
    haravan = sandbox.add_shop(org=ORG)
    shops, versions = ShopRepository(redis, KeyRing(("0123456789abcdef" * 2,))), Versions(redis)
    context = Context(redis, shops, versions, _ms(clock))
    async with serve(sandbox) as url, open_session() as session:
        await shops.add(
            Shop(
                org=ORG,
                name="Cửa hàng thử",
                dialect="admin" if dialect == "admin" else "omni",
                api_url=f"{url}/{'admin' if dialect == 'admin' else 'com'}",
                token=haravan.token,
                shadow=shadow,
            )
        )
        await save_first_look(redis, ORG, first_look)
        stage = Stage(
            redis=redis,
            sandbox=sandbox,
            haravan=haravan,
            shops=shops,
            versions=versions,
            drain=_drain(redis, shops, versions, session, clock, jitter),
            sweep=Sweep(context, Alerts(redis)),
            housekeeping=Housekeeping(context, retention_days=30),
            context=context,
            jobs=PendingJobs(context, InProcess(context)),
            clock=clock,
        )
        if rules:
            await stage.publish(rules)
        yield stage
        await stage.drain.alerts.drain()


def _drain(
    redis: RedisClient,
    shops: ShopRepository,
    versions: Versions,
    session: aiohttp.ClientSession,
    clock: Clock,
    jitter: Callable[[], float],
) -> Drain:
    return Drain(
        leases=LeaseManager(redis, rate_limiter=RateLimiter(redis, clock_ms=_ms(clock)), clock_ms=_ms(clock)),
        shops=shops,
        session=session,
        counters=Counters(redis),
        alerts=Alerts(redis),
        jitter=jitter,
        rules_cache=CompiledRulesCache(versions),
        monotonic=clock,  # a drain takes no time: on a slow machine it would exceed its time budget
    )


def _ms(clock: Clock) -> Callable[[], int]:
    return lambda: int(clock() * 1000)
