"""The first look as a page: its state, what waits, and the approval of what was shown."""

from __future__ import annotations

import httpx2

from service.domain.access import Role
from service.domain.customers.customer import Customer
from service.domain.documents import parse_rules
from service.store.client import RedisClient
from service.store.history import audit_log
from service.store.rules import Versions
from service.store.shops import ShopRepository, save_first_look
from tests.support.shop import ORG
from tests.support.visitors import Visitor, location, visit_as
from tests.web.ops.conftest import HIGH, store_customer

PATH = f"/shops/{ORG}/first-look"


async def waiting(redis: RedisClient) -> None:
    """A shop whose customers were read; the rules add one tag."""
    await Versions(redis).publish(ORG, parse_rules(HIGH), author="test", parent=0)
    await store_customer(redis, Customer(id=1, total_spent=20_000_000_0000))
    await save_first_look(redis, ORG, "waiting")


async def test_the_state_is_told_before_and_after(owner: Visitor, redis: RedisClient) -> None:
    await save_first_look(redis, ORG, "pending")
    pending = await owner.get(PATH)
    await save_first_look(redis, ORG, "complete")
    complete = await owner.get(PATH)

    assert "đang đọc mọi khách lần đầu" in pending.text
    assert "Lần đọc đầu tiên đã xong" in complete.text


async def test_operations_approve_what_they_see(
    owner: Visitor, redis: RedisClient, shops: ShopRepository
) -> None:
    await waiting(redis)
    page = await owner.get(PATH)

    answer = await owner.post(PATH, version="1")

    assert "Duyệt: gắn 1, gỡ 0" in page.text
    assert (answer.status_code, location(answer)) == (303, f"/shops/{ORG}/history/1")
    assert (await shops.describe(ORG)).first_look == "complete"
    assert (await audit_log.list_entries(redis, ORG))[0].entry.action == "approve"


async def test_what_was_not_shown_is_not_approved(
    owner: Visitor, redis: RedisClient, shops: ShopRepository
) -> None:
    await waiting(redis)

    for version in ("0", "2", ""):
        assert (await owner.post(PATH, version=version)).status_code == 409
    assert (await shops.describe(ORG)).first_look == "waiting"


async def test_a_marketer_sees_and_cannot_approve(client: httpx2.AsyncClient, redis: RedisClient) -> None:
    await waiting(redis)
    marketer = await visit_as(client, redis, Role.MARKETER)

    page = await marketer.get(PATH)

    assert "Khách đã đọc" in page.text
    assert 'name="version"' not in page.text
