"""The health strip says what the doctor says, first of all a pause, and polling it costs little."""

from __future__ import annotations

import re

from service.domain.customers import OrgId
from service.store.client import RedisClient
from service.store.jobs import Counters
from service.store.shops import ShopRepository
from tests.support.shop import ORG
from tests.support.visitors import Visitor
from tests.web.ops.conftest import store_dead_letter

STRIP = f"/shops/{ORG}/strip"


def state(text: str) -> str:
    """The class and the text of the state."""
    [(level, said)] = re.findall(r'<strong class="state (\w+)">([^<]+)</strong>', text)
    return f"{level}: {said}"


async def test_a_shop_without_workers_and_rules_needs_somebody(owner: Visitor) -> None:
    strip = (await owner.get(STRIP)).text
    health = (await owner.get(f"/shops/{ORG}/health")).text

    assert state(strip) == "problem: Cần xử lý ngay"
    assert f'href="/shops/{ORG}/health"' in strip
    assert "tagger worker" in health
    assert f"tagger rules publish {ORG} FILE" in health


async def test_a_pause_is_named_with_its_author_at_once(owner: Visitor) -> None:
    await owner.get(STRIP)
    await owner.post(f"/shops/{ORG}/pause", reason="Tết")

    strip = (await owner.get(STRIP)).text

    assert "Đang tạm dừng" in state(strip)
    assert "owner, " in strip
    assert "<html" not in strip


async def test_a_dead_letter_shows_at_once(owner: Visitor, redis: RedisClient) -> None:
    await Counters(redis).flush()  # a worker runs
    before = (await owner.get(f"/shops/{ORG}/health")).text
    await owner.get(STRIP)
    await store_dead_letter(redis, 7)

    await owner.get(STRIP)
    after = (await owner.get(f"/shops/{ORG}")).text

    assert "tagger worker" not in before
    assert "không ghi được" in after.lower()


async def test_the_page_writes_times_as_people_do(owner: Visitor, shops: ShopRepository) -> None:
    await shops.pause(OrgId(ORG), reason="manual", by="lan")

    health = (await owner.get(f"/shops/{ORG}/health")).text

    assert re.search(r"Đang tạm dừng từ \d\d/\d\d/\d{4} \d\d:\d\d bởi lan", health)


async def test_viewers_see_no_commands(shops: ShopRepository, owner: Visitor) -> None:
    english = owner
    english.language = "en"

    assert "The command that repairs it" in (await english.get(f"/shops/{ORG}/health")).text
