"""A freeze is set, changed, cancelled and ended on its page, and shown wherever somebody looks."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from service.domain.access import Role
from service.domain.documents import parse_rules
from service.store.client import RedisClient
from service.store.rules import Versions
from service.store.shops import ShopRepository, make_freeze
from service.store.shops.freeze import queue_freeze
from tests.support.shop import ORG
from tests.support.visitors import Visitor, location
from tests.web.pages.conftest import VisitAs
from tests.web.pages.publishing.test_review import PUBLISH, actions, content_of, draft

FREEZE = f"/shops/{ORG}/freeze"
ZONE = "Asia/Ho_Chi_Minh"
RULES = "rules:\n - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: %d}}"


def today() -> date:
    return datetime.now(ZoneInfo(ZONE)).date()


def shown(day: date) -> str:
    return f"{day:%d/%m/%Y}"


async def freeze_today(redis: RedisClient, *, waiting_ms: int = 0) -> None:
    """A freeze that has begun yesterday and goes on until tomorrow."""
    frozen = make_freeze(today() - timedelta(days=1), today() + timedelta(days=1), timezone=ZONE, by="lan")
    async with redis.pipeline() as pipe:
        queue_freeze(pipe, ORG, msgspec.structs.replace(frozen, waiting_ms=waiting_ms))
        await pipe.execute()


async def publish(redis: RedisClient, amount: int) -> None:
    await Versions(redis).publish(ORG, parse_rules(RULES % amount), author="lan", parent=0)


async def test_a_marketer_plans_and_cancels_a_freeze(
    lan: Visitor, redis: RedisClient, shops: ShopRepository
) -> None:
    first, last = today() + timedelta(days=3), today() + timedelta(days=9)

    answer = await lan.post(FREEZE, first=first.isoformat(), last=shown(last))
    page, shop_page = await lan.get(FREEZE), await lan.get(f"/shops/{ORG}")
    frozen = (await shops.describe(ORG)).freeze
    cancelled = await lan.post(f"{FREEZE}/end")

    assert location(answer) == FREEZE
    assert frozen is not None
    assert (frozen.first, frozen.last, frozen.by) == (first, last, "lan")
    assert f"Sẽ đóng băng nhãn từ {shown(first)} đến hết {shown(last)} (lan)" in page.text
    assert "Sắp tới" in shop_page.text
    assert location(cancelled) == FREEZE
    assert (await shops.describe(ORG)).freeze is None
    assert await actions(redis) == [("cancel_freeze", "lan"), ("freeze", "lan")]


async def test_wrong_days_are_named_at_their_field(lan: Visitor) -> None:
    empty = await lan.post(FREEZE, first="", last="x")
    reversed_ = await lan.post(
        FREEZE, first=shown(today() + timedelta(days=2)), last=shown(today() + timedelta(days=1))
    )

    assert (empty.status_code, reversed_.status_code) == (422, 422)
    assert empty.text.count("Hãy chọn ngày.") >= 2
    assert "Ngày cuối đứng trước ngày đầu." in reversed_.text


async def test_every_page_of_a_frozen_shop_says_so(lan: Visitor, redis: RedisClient) -> None:
    await freeze_today(redis)

    pages = [await lan.get(path) for path in (f"/shops/{ORG}", f"/shops/{ORG}/rules", FREEZE)]

    until = shown(today() + timedelta(days=1))
    assert [f"không đổi nhãn đến hết {until}" in page.text for page in pages] == [True, True, True]


async def test_a_publish_in_a_freeze_says_when_it_is_written(lan: Visitor, redis: RedisClient) -> None:
    await freeze_today(redis)
    await draft(lan, "5tr")

    page = await lan.get(PUBLISH)
    answer = await lan.post(PUBLISH, content=content_of(page), note="VIP từ 5 triệu")
    version = await lan.get(location(answer))

    assert f"nhãn chỉ được ghi sau {shown(today() + timedelta(days=1))}" in page.text
    assert "Xuất bản: gắn 16" in page.text  # the guard looks when the freeze ends
    assert "Chờ hết đóng băng" in version.text


async def test_a_freeze_ends_with_its_effect_and_within_the_guard(
    lan: Visitor, minh: Visitor, redis: RedisClient, shops: ShopRepository
) -> None:
    await publish(redis, 5_000_000)
    await freeze_today(redis, waiting_ms=5)

    for_lan, for_minh = await lan.get(FREEZE), await minh.get(FREEZE)
    forced = await lan.post(f"{FREEZE}/end", live="1", approve="1")
    unapproved = await minh.post(f"{FREEZE}/end", live="1")
    stale = await minh.post(f"{FREEZE}/end", live="0", approve="1")
    ended = await minh.post(f"{FREEZE}/end", live="1", approve="1")

    assert "Thay đổi lớn: hãy nhờ người vận hành duyệt." in for_lan.text
    assert "Kết thúc: gắn 16, gỡ 0" in for_minh.text
    assert (forced.status_code, unapproved.status_code, stale.status_code) == (403, 409, 409)
    assert location(ended) == f"/shops/{ORG}/history/1"
    assert (await shops.describe(ORG)).freeze is None
    assert "Đang tìm khách hàng" in (await lan.get(f"/shops/{ORG}/history/1")).text


async def test_a_viewer_sees_the_days_and_cannot_change_them(
    twenty: None, visitor_of: VisitAs, redis: RedisClient
) -> None:
    await freeze_today(redis)
    viewer = await visitor_of(Role.VIEWER)

    page = await viewer.get(FREEZE)

    assert "Đang đóng băng nhãn" in page.text
    assert "<form" not in page.text[page.text.index('id="main"') :]
