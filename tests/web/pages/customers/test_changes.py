"""An exclusion is shown with its effect before it is stored, and can be taken back."""

from __future__ import annotations

import html
from typing import Any

import pytest

from service.domain.access import Role
from service.store.client import RedisClient, keys
from service.store.history import audit_log
from tests.support.shop import ORG
from tests.support.visitors import Visitor, location
from tests.web.pages.conftest import VisitAs

PATH = f"/shops/{ORG}/customers/1"
pytestmark = pytest.mark.usefixtures("people")


async def excluded(redis: RedisClient) -> bytes | None:
    client: Any = redis
    stored: bytes | None = await client.hget(keys.shop(ORG, "exclusions"), "1")
    return stored


async def test_an_exclusion_shows_its_effect_and_writes_nothing_before(
    visitor_of: VisitAs, redis: RedisClient
) -> None:
    marketer = await visitor_of(Role.MARKETER)

    page = html.unescape((await marketer.get(f"{PATH}/exclusion?rule=mail")).text)

    assert "Quy tắc “Có email” sẽ không gắn" in page
    assert "+Silver" in page
    assert "+Có email" not in page
    assert await excluded(redis) is None


async def test_a_customer_is_excluded_and_included_again(visitor_of: VisitAs, redis: RedisClient) -> None:
    marketer = await visitor_of(Role.MARKETER)

    answer = await marketer.post(f"{PATH}/exclusion", rule="mail")
    stored = await excluded(redis)
    page = (await marketer.get(PATH)).text
    await marketer.post(f"{PATH}/exclusion", rule="mail", undo="1")

    assert location(answer) == PATH
    assert stored == b"mail"
    assert f"{PATH}/exclusion?rule=mail&amp;undo=1" in page
    assert await excluded(redis) is None
    actions = [row.entry.action for row in await audit_log.list_entries(redis, ORG)]
    assert actions == ["include", "exclude"]


@pytest.mark.parametrize("rule", ["", "nobody", "x" * 300])
async def test_an_unknown_rule_changes_nothing(owner: Visitor, redis: RedisClient, rule: str) -> None:
    assert (await owner.get(f"{PATH}/exclusion?rule={rule}")).status_code == 404
    assert (await owner.post(f"{PATH}/exclusion", rule=rule)).status_code == 404
    assert await audit_log.list_entries(redis, ORG) == []
