"""The health strip: the worst of what is known, first of all a pause."""

from __future__ import annotations

from dataclasses import replace

import pytest
from arq.connections import ArqRedis

from service.context import Context
from service.store.rules import Versions
from service.store.shops import Shop, ShopRepository
from service.web.pages.shell.strip import judge, load_strip
from tests.support.shop import ORG
from tests.support.visitors import Visitor

SHOP = Shop(ORG, "Một", "omni", "https://apis.haravan.com/com", "token")


@pytest.mark.parametrize(
    ("shop", "worker_age_ms", "oldest_s", "expected"),
    [
        pytest.param(SHOP, 1000, 0.0, ("good", "running"), id="running"),
        pytest.param(replace(SHOP, shadow=True), 1000, 0.0, ("good", "shadow"), id="shadow mode"),
        pytest.param(SHOP, 61_000, 0.0, ("problem", "no_worker"), id="no worker"),
        pytest.param(SHOP, 1000, 301.0, ("problem", "slow"), id="slow"),
        pytest.param(
            replace(SHOP, removals_paused="x"), 0, 0.0, ("problem", "removals_paused"), id="removals"
        ),
        pytest.param(replace(SHOP, paused="Tết"), 61_000, 301.0, ("paused", "paused"), id="paused"),
    ],
)
def test_the_worst_counts(shop: Shop, worker_age_ms: int, oldest_s: float, expected: tuple[str, str]) -> None:
    assert judge(shop, worker_age_ms=worker_age_ms, oldest_s=oldest_s) == expected


async def test_a_new_shop_has_neither_webhooks_nor_rules(redis: ArqRedis, shops: ShopRepository) -> None:
    context = Context(redis, shops, Versions(redis))

    strip = await load_strip(context, await shops.describe(ORG), now_ms=await context.now_ms())

    assert (strip.state, strip.last_webhook_ms, strip.backlog, strip.version) == ("no_worker", 0, 0, 0)


async def test_a_pause_is_named_with_its_author(owner: Visitor) -> None:
    await owner.post(f"/shops/{ORG}/pause", reason="Tết")

    strip = await owner.get(f"/shops/{ORG}/strip")

    assert "Đang tạm dừng" in strip.text
    assert "owner, " in strip.text
    assert "<html" not in strip.text
