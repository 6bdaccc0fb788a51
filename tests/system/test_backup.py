"""A store is lost and restored from a backup: the tags become those of before, and what Haravan deleted does not come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.sandbox import Clock, Sandbox, ShopHandle, serve
from service.backup import KeySource, Secret, plan_restore, restore, verify, write_backup
from service.context import Context
from service.domain.access import shell_user
from service.domain.customers import OrgId
from service.domain.documents import parse_rules
from service.settings import read_settings
from service.store.client import SERVICE, RedisClient, keys
from service.store.encryption import KeyRing
from service.store.history import audit_log
from service.store.queue import count_due
from service.store.rules import Versions
from service.store.shops import Shop, ShopRepository, save_first_look
from tests.support.shop import APP_SECRET, ORG, VERIFY_TOKEN, web_environ
from tests.support.wait import wait_until
from tests.support.web_server import serving
from tests.system.environment import LEAK_PER_S, RULES, SOON_MS, all_expected_tags, working

pytestmark = pytest.mark.timeout(600)

SECRET = Secret(KeySource.KEY_FILE, b"0123456789abcdef" * 2)
BY = shell_user("an")


async def test_a_lost_store_is_restored_and_reconciles_to_the_same_tags(
    redis: RedisClient, redis_url: str, queue_url: str, tmp_path: Path
) -> None:
    sandbox, clock = Sandbox(leak_per_s=LEAK_PER_S), Clock()
    haravan = sandbox.add_shop(org=ORG, token="system-token", secret=APP_SECRET)
    haravan.deliveries.timeout_s = 60
    settings = read_settings(web_environ(redis_url, queue_url))
    context = Context(redis, ShopRepository(redis, KeyRing(settings.secret_keys)), Versions(redis))
    file = tmp_path / "tagger.backup"

    async def is_settled() -> bool:
        await haravan.deliveries.wait_idle()
        return not await count_due(redis, ORG, until_ms=int(clock() * 1000) + SOON_MS)

    async with serve(sandbox) as api:
        await context.shops.add(Shop(ORG, "Nhà Gốm", "omni", f"{api}/com", haravan.token))
        await save_first_look(redis, ORG, "complete")
        await context.versions.publish(ORG, parse_rules(RULES), author="test", parent=0)
        async with working(settings, 1, clock), serving(settings) as server:
            await haravan.subscribe(f"http://127.0.0.1:{server.port}/webhooks/haravan", VERIFY_TOKEN)
            rich, poorer, deleted, by_hand = (haravan.create(total_spent=60_000_000) for _ in range(4))
            poor = haravan.create(total_spent=1)
            haravan.tag_by_hand(by_hand, "Khách quen")
            before = all_expected_tags(haravan) | {by_hand: {"VIP", "Vàng", "Khách quen"}}
            await wait_until(is_settled)
            assert tags_of(haravan) == before
            with file.open("wb") as target:
                await write_backup(context, target, SECRET, program="0.1.0", by=BY)

        # The store is lost, and what happens meanwhile is announced to nobody.
        chain = await audit_log.verify(redis, ORG)
        await redis.flushall()
        haravan.unsubscribe()
        haravan.edit(poorer, total_spent=5)
        haravan.edit(poor, total_spent=20_000_000)
        haravan.delete(deleted)

        contents = verify(file, SECRET)
        plans = await plan_restore(context, contents)
        assert [(plan.section.org, plan.action) for plan in plans] == [(SERVICE, "create"), (ORG, "create")]
        await restore(context, file, SECRET, plans, at="yesterday", by=BY)
        assert (await audit_log.verify(redis, ORG, expected_hash=chain.last_hash)).problem is None
        assert (await context.shops.get_or_raise(ORG)).token == haravan.token

        expected = {
            rich: {"VIP", "Vàng"},
            poorer: set(),
            poor: {"VIP", "Bạc"},
            by_hand: {"VIP", "Vàng", "Khách quen"},
        }
        async with working(settings, 1, clock):

            async def is_right() -> bool:
                return tags_of(haravan) == expected

            async def is_forgotten() -> bool:
                clock.advance(60)  # a second 404 confirms it, ten minutes later
                return not await redis.hexists(keys.shop(ORG, "owned"), str(deleted))

            await wait_until(is_right, timeout_s=300)
            await wait_until(is_forgotten, timeout_s=300)
    assert not await redis.hexists(keys.shop(OrgId(ORG), "ledger_by_customer"), str(deleted))


def tags_of(haravan: ShopHandle) -> dict[int, set[str]]:
    return {customer: haravan.tags(customer) for customer in haravan.ids()}
