"""The audit log as pages: newest first, by pages, with a check of the chain."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain.access import shell_user
from service.locales import catalog_for
from service.sentence import Sentence
from service.store.client import SERVICE, RedisClient, keys
from service.store.history import audit_log
from service.web.pages.account.audit import PAGE_SIZE
from tests.deploy.cli.commands.test_audit import CHANGES as COMMANDS
from tests.support.shop import ORG
from tests.support.visitors import Visitor
from tests.web.ops.access.test_audit import CHANGES as ENDPOINTS
from tests.web.pages.test_routes import ACTIONS


async def fill(redis: RedisClient, count: int) -> None:
    for number in range(count):
        await audit_log.record(
            redis, shell_user("lan"), "pause", org=ORG, summary=Sentence("summary {number}.", number=number)
        )


async def test_entries_are_shown_newest_first_and_page_by_page(owner: Visitor, redis: RedisClient) -> None:
    await fill(redis, PAGE_SIZE + 2)

    first = await owner.get(f"/shops/{ORG}/audit")
    second = await owner.get(f"/shops/{ORG}/audit?before=3")

    assert "summary 51." in first.text
    assert "summary 1." not in first.text
    assert f'href="/shops/{ORG}/audit?before=3"' in first.text
    assert "summary 1." in second.text
    assert "Cũ hơn" not in second.text


async def test_entries_are_filtered_and_older_pages_keep_the_filter(
    owner: Visitor, redis: RedisClient
) -> None:
    await fill(redis, PAGE_SIZE + 1)
    await audit_log.record(
        redis, shell_user("minh"), "resume", org=ORG, summary=Sentence("summary {n}.", n="x")
    )
    path = f"/shops/{ORG}/audit"

    by_minh = await owner.get(f"{path}?by=minh")
    pauses = await owner.get(f"{path}?action=pause")
    long_ago = await owner.get(f"{path}?to=01/01/2020")

    assert ("summary x." in by_minh.text, "summary 50." in by_minh.text) == (True, False)
    assert ("summary x." in pauses.text, "summary 50." in pauses.text) == (False, True)
    assert f'href="{path}?action=pause&amp;before=2"' in pauses.text
    assert ("summary x." in long_ago.text, "summary 50." in long_ago.text) == (False, False)
    assert "Không có gì khớp với bộ lọc" in long_ago.text


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "1,5", ""])
async def test_a_wrong_page_is_the_first(owner: Visitor, before: str) -> None:
    assert (await owner.get(f"/shops/{ORG}/audit?before={before}")).status_code == 200


async def test_the_chain_is_checked_on_demand(owner: Visitor, redis: RedisClient) -> None:
    await audit_log.record(redis, shell_user("lan"), "add_token", summary=Sentence("token {name}", name="a"))
    whole = await owner.get("/audit?check")
    stream = keys.shop(SERVICE, "audit")
    [(_, fields)] = await redis.xrange(stream)
    client: Any = redis
    await client.xadd(stream, fields)
    broken = await owner.get("/audit?check")

    assert "Chuỗi nguyên vẹn: 1 dòng" in whole.text
    assert "Chuỗi đã bị thay đổi." in broken.text


def test_every_action_has_its_text() -> None:
    actions = {action for *_, action in COMMANDS.values()} | {action for *_, action in ENDPOINTS.values()}
    actions |= {action for _, action in ACTIONS.values()} | {"sign_in"}

    assert [action for action in sorted(actions) if f"audit.action.{action}" not in catalog_for("vi")] == []
