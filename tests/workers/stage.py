"""One shop on a stage: sandbox, real Valkey and real drain, with a clock that the test moves."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from arq.connections import ArqRedis

from deploy.sandbox import Clock, Sandbox, ShopHandle, serve
from service.alerts import Alerts
from service.context import Context
from service.cpu_pool import InProcess
from service.domain.customers.customer import CustomerId, OrgId
from service.domain.decisions.state import OWNERSHIP_CODEC, Ownership
from service.domain.documents.parser import parse_rules
from service.store.client import keys
from service.store.history import ledger
from service.store.history.ledger import LedgerRow
from service.store.jobs.worker_metrics import Counters
from service.store.queue import dirty
from service.store.queue.dirty import Lane, MarkResult
from service.store.queue.lease import LeaseManager
from service.store.queue.rate_limiter import RateLimiter
from service.store.rules import Versions
from service.store.shops.cipher import Cipher
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from service.web.webhooks.endpoint import build_event, parse_headers
from service.web.webhooks.shop_cache import WebhookShop
from workers.drain.job import Drain
from workers.drain.rules_cache import CompiledRulesCache
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


@dataclass(slots=True)
class Stage:
    """What a test of the drain needs in its hands."""

    redis: ArqRedis
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
        """What the web process does with a signed body."""
        headers = parse_headers([(b"x-haravan-topic", topic.encode())])
        shop = WebhookShop(ORG, ())
        event = build_event(headers, body, org=ORG, shop=shop, digest=hashlib.sha256(body).digest())
        return (await dirty.mark_dirty(self.redis, ORG, [event], lane=lane, now_ms=self.now_ms))[0]

    async def announce(self, customer: int) -> MarkResult:
        """The webhook that Haravan sends on a customer as it is now."""
        return await self.deliver(self.haravan.body(customer))

    async def mark(self, *customers: int, cause: str = "replay:R0", lane: Lane = "bulk") -> None:
        ids = [CustomerId(each) for each in customers]
        await dirty.mark_dirty_customers(self.redis, ORG, ids, cause=cause, lane=lane, now_ms=self.now_ms)

    async def turn(self, times: int = 1, *, rest_s: float = 2.5) -> None:
        """Run some turns, a little time apart."""
        for _ in range(times):
            await self.drain(ORG)
            self.clock.advance(rest_s)

    async def execute_jobs(self) -> int:
        """What another worker does with pending jobs, after the death of any that had them before."""
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
        """`+VIP`, `-VIP`, … the oldest first."""
        found: list[LedgerRow] = await ledger.list_for_customer(self.redis, ORG, CustomerId(customer))
        return [one.entry.action + one.entry.tag for one in reversed(found)]

    async def letters(self, customer: int) -> set[str]:
        from service.store.queue import dead_letters

        return {one.cause for one in await dead_letters.for_customer(self.redis, ORG, CustomerId(customer))}

    async def state(self, name: str) -> str:
        return (await self.redis.hget(self.key("state"), name) or b"").decode()

    def wrote(self) -> int:
        calls = self.haravan.calls
        return calls.count("POST tags") + calls.count("DELETE tags") + calls.count("PUT customer")


@asynccontextmanager
async def staged(
    redis: ArqRedis,
    *,
    dialect: str = "omni",
    rules: str = VIP,
    echo: bool = False,
    shadow: bool = False,
    jitter: Callable[[], float] = lambda: 0.5,
) -> AsyncIterator[Stage]:
    """A shop whose time stands still until the test moves it (it begins at the machine's own)."""
    began = time.time()
    clock = Clock(lambda: began)
    sandbox = Sandbox(clock=clock, echo=echo)
    haravan = sandbox.add_shop(org=ORG)
    shops, versions = ShopRepository(redis, Cipher(("k" * 32,))), Versions(redis)
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
    redis: ArqRedis,
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
        monotonic=clock,  # a turn takes no time: on a slow machine it would end before its work is done
    )


def _ms(clock: Clock) -> Callable[[], int]:
    return lambda: int(clock() * 1000)
