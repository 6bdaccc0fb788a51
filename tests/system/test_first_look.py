"""A new shop with rules for everybody: nothing is written until a person approves, and a roll-back to 0 leaves no tag."""

from __future__ import annotations

import pytest

from service.context import Context
from service.domain.documents import parse_rules
from service.publishing import create_draft, create_rollback_draft, first_look, publish_draft, roll_back
from service.store.client import RedisClient
from service.store.jobs import pending
from service.store.queue import RateLimiter
from service.store.rules import CompiledRulesCache
from service.store.shops import FirstLook
from tests.support.actors import LAN
from tests.support.shop import ORG
from tests.support.wait import wait_until
from tests.system.environment import LEAK_PER_S, System, running
from workers.haravan import Haravan, WaitingPermits, open_session
from workers.scan import build_scan

pytestmark = pytest.mark.timeout(4000)
SETTLE_TIMEOUT_S = 1_800  # a busy machine writes thirty tags a second
EVERYBODY = """
version: 1
rules:
  - {id: khach, tag: Khách, when: {field: total_spent, op: at_least, value: 0}}
"""


@pytest.mark.parametrize("customers", [200, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_everybody_is_tagged_after_an_approval_and_untagged_by_a_roll_back_to_0(
    redis: RedisClient, redis_url: str, queue_url: str, customers: int
) -> None:
    async with running(redis, redis_url, queue_url, first_look="pending", rules="") as system:
        system.haravan.populate(customers, seed=1)
        before = system.tags()
        context = Context(redis, system.shops, system.versions)
        shop = await system.shops.get_or_raise(ORG)
        draft = await create_draft(context, shop, parse_rules(EVERYBODY))
        await publish_draft(context, shop, draft, by=LAN, note="")

        await walk(system, context)
        await wait_until(lambda: has_state(system, "waiting"))
        with_webhook = system.haravan.create(first_name="Ánh")  # served meanwhile
        await system.settled()
        assert writes(system) == 1
        assert system.tags() == before | {with_webhook: {"Khách"}}

        shop = await system.shops.get_or_raise(ORG)
        draft = await first_look.draft_approval(context, shop)
        assert draft.report.preview.added == customers
        await first_look.approve(context, shop, draft, by=LAN)
        await rolled_out(system)
        assert all("Khách" in tags for tags in system.tags().values())

        shop = await system.shops.get_or_raise(ORG)
        back = await create_rollback_draft(context, shop, to=0)
        await roll_back(context, shop, back, to=0, by=LAN, note="")
        await rolled_out(system)
        assert system.tags() == before | {with_webhook: set()}


async def walk(system: System, context: Context) -> None:
    """Read all customers, as `tagger backfill` does."""
    shop = await system.shops.get_or_raise(ORG)
    limiter = RateLimiter(system.redis, leak_per_s=LEAK_PER_S)
    async with open_session() as session:
        scan = await build_scan(
            context,
            shop,
            Haravan.for_shop(shop, session),
            permits=WaitingPermits(limiter, ORG, lane="bulk"),
            rules_cache=CompiledRulesCache(context.versions),
        )
        assert scan is not None
        await scan("backfill", by="Lan")


async def has_state(system: System, state: FirstLook) -> bool:
    return (await system.shops.get_or_raise(ORG)).first_look == state


async def rolled_out(system: System) -> None:
    """Wait until a worker has executed the rollout and drained its customers."""

    async def is_executed() -> bool:
        return all(job.kind != "rollout" for job in await pending.list_jobs(system.redis, ORG))

    await wait_until(is_executed, timeout_s=300)
    await system.settled(timeout_s=SETTLE_TIMEOUT_S)


def writes(system: System) -> int:
    return system.haravan.calls.count("POST tags") + system.haravan.calls.count("DELETE tags")
