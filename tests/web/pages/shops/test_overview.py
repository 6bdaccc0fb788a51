"""Shops: the list, the state of one, pause and resume."""

from __future__ import annotations

import httpx2
import pytest

from service.domain.access import Role
from service.store.client import RedisClient, keys
from service.store.shops import TOKEN_REJECTED, ShopRepository
from tests.support.shop import ORG, OTHER_ORG
from tests.support.visitors import Visitor, heading, visit_as


async def test_the_list_has_the_shops_of_the_visitor(client: httpx2.AsyncClient, redis: RedisClient) -> None:
    some = await visit_as(client, redis, Role.VIEWER, name="some", shops=frozenset({OTHER_ORG}))
    every = await visit_as(client, redis, Role.VIEWER)

    assert ORG not in (await some.get("/shops")).text
    assert ORG in (await every.get("/shops")).text


async def test_a_shop_shows_its_connection_and_no_secret(owner: Visitor) -> None:
    page = await owner.get(f"/shops/{ORG}")

    assert heading(page) == "Một"
    assert "https://apis.haravan.com/com" in page.text
    assert "t" * 20 not in page.text
    assert "the-shops-own-secret" not in page.text


async def test_a_marketer_pauses_and_operations_resume(
    client: httpx2.AsyncClient, redis: RedisClient, shops: ShopRepository
) -> None:
    marketer = await visit_as(client, redis, Role.MARKETER)
    await marketer.post(f"/shops/{ORG}/pause", reason="Nhãn sai <b>Tết</b>")
    paused = await shops.describe(ORG)
    page = await marketer.get(f"/shops/{ORG}/pause")
    ops = await visit_as(client, redis, Role.OPS)
    await ops.post(f"/shops/{ORG}/resume")

    assert (paused.paused, paused.paused_by) == ("Nhãn sai <b>Tết</b>", "marketer")
    assert "<b>Tết" not in page.text
    assert "Chỉ người vận hành" in page.text
    assert not (await shops.describe(ORG)).paused


async def test_a_shop_whose_token_was_rejected_stays_paused_until_the_token_is_checked(
    owner: Visitor, redis: RedisClient, shops: ShopRepository
) -> None:
    await redis.hset(keys.shop(ORG, "state"), mapping={"paused": TOKEN_REJECTED, "paused_by": "worker"})

    answer = await owner.post(f"/shops/{ORG}/resume")

    assert answer.status_code == 422
    assert "không có worker nào đang chạy để hỏi Haravan" in answer.text
    assert (await shops.describe(ORG)).paused == TOKEN_REJECTED


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
async def test_a_pause_needs_a_reason(owner: Visitor, shops: ShopRepository, reason: str) -> None:
    answer = await owner.post(f"/shops/{ORG}/pause", reason=reason)

    assert answer.status_code == 422
    assert not (await shops.describe(ORG)).paused


async def test_removals_are_resumed_when_asked_for(
    owner: Visitor, redis: RedisClient, shops: ShopRepository
) -> None:
    await redis.hset(keys.shop(ORG, "state"), "removals_paused", "too many")
    page = await owner.get(f"/shops/{ORG}")
    await owner.post(f"/shops/{ORG}/resume", removals="1")

    assert "Cho gỡ nhãn lại" in page.text
    assert not (await shops.describe(ORG)).removals_paused
