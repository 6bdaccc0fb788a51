"""A publish needs a preview of exactly this draft; large changes need ops; the button says what it will do."""

from __future__ import annotations

import re

import httpx2

from service.domain.documents import parse_rules
from service.store import working_copies
from service.store.client import RedisClient, keys
from service.store.history import audit_log
from service.store.rules import Versions
from service.store.shops import ShopRepository
from tests.support.customers import spending, store_customers
from tests.support.shop import ORG
from tests.support.visitors import Visitor, location
from tests.web.pages.editors.test_editing import RULES, form_of, new_rule

PUBLISH = f"{RULES}/publish"


async def draft(visitor: Visitor, amount: str) -> None:
    """A draft with one rule for this amount."""
    path = await new_rule(visitor)
    await visitor.post(path, **form_of(await visitor.get(path)) | {"value.n-0": amount})


def content_of(page: httpx2.Response) -> str:
    """What the page shows the preview of."""
    return str(re.findall(r'name="content" value="([0-9a-f]{64})"', page.text)[0])


async def actions(redis: RedisClient) -> list[tuple[str, str]]:
    return [(row.entry.action, row.entry.by) for row in await audit_log.list_entries(redis, ORG)]


async def test_a_small_change_is_published_by_a_marketer(lan: Visitor, redis: RedisClient) -> None:
    await draft(lan, "20tr")
    page = await lan.get(PUBLISH)

    published = await lan.post(PUBLISH, content=content_of(page), note="Thử mức 20 triệu")

    assert "Xuất bản: gắn 1, gỡ 0, giữ 0" in page.text
    assert location(published) == f"/shops/{ORG}/history/1"
    live = await Versions(redis).live(ORG)
    assert live is not None
    assert (live.number, live.author, live.note) == (1, "lan", "Thử mức 20 triệu")
    assert await working_copies.load(redis, ORG) is None
    assert await actions(redis) == [("publish", "lan")]
    assert "Chưa ai sửa gì" in (await lan.get(PUBLISH)).text


async def test_a_draft_that_changed_after_its_preview_is_not_published(
    lan: Visitor, redis: RedisClient
) -> None:
    await draft(lan, "20tr")
    content = content_of(await lan.get(PUBLISH))
    path = f"{RULES}/vip/edit"
    await lan.post(path, **form_of(await lan.get(path)) | {"value.n-0": "1tr"})

    refused = await lan.post(PUBLISH, content=content, note="Thử")

    assert refused.status_code == 409
    assert await Versions(redis).live_number(ORG) == 0


async def test_a_draft_is_not_published_without_a_preview(lan: Visitor, redis: RedisClient) -> None:
    await draft(lan, "20tr")
    content = content_of(await lan.get(PUBLISH))
    await redis.delete(keys.shop(ORG, "review"))

    refused = await lan.post(PUBLISH, content=content, note="Thử")

    assert refused.status_code == 409
    assert await Versions(redis).live_number(ORG) == 0


async def test_a_marketer_asks_and_ops_approves_a_large_change(
    lan: Visitor, minh: Visitor, redis: RedisClient
) -> None:
    await draft(lan, "5tr")
    page = await lan.get(PUBLISH)
    content = content_of(page)

    forced = await lan.post(PUBLISH, content=content, note="Thử", approve="1")
    asked = await lan.post(f"{PUBLISH}/ask", content=content, note="VIP từ 5 triệu")
    for_ops = await minh.get(PUBLISH)
    unapproved = await minh.post(PUBLISH, content=content, note="VIP từ 5 triệu")
    approved = await minh.post(PUBLISH, content=content, note="VIP từ 5 triệu", approve="1")

    assert "Thay đổi 16 khách hàng, giới hạn 1." in page.text
    assert "Gửi yêu cầu duyệt" in page.text
    assert "Xuất bản: gắn" not in page.text
    assert forced.status_code == 403
    assert asked.status_code == 303
    assert "lan xin duyệt đúng bản này" in for_ops.text
    assert 'value="VIP từ 5 triệu"' in for_ops.text
    assert unapproved.status_code == 409
    assert approved.status_code == 303
    assert await Versions(redis).live_number(ORG) == 1
    assert ("ask_approval", "lan") in await actions(redis)


async def test_a_request_stands_in_front_of_ops_until_it_is_answered(
    lan: Visitor, minh: Visitor, redis: RedisClient
) -> None:
    await draft(lan, "5tr")
    before = await minh.get(f"/shops/{ORG}")
    await lan.post(f"{PUBLISH}/ask", content=content_of(await lan.get(PUBLISH)), note="VIP từ 5 triệu")

    shop, shops, strip, of_lan = [
        (await visitor.get(path)).text
        for visitor, path in (
            (minh, f"/shops/{ORG}"),
            (minh, "/shops"),
            (minh, f"/shops/{ORG}/strip"),
            (lan, f"/shops/{ORG}"),
        )
    ]
    content = content_of(await minh.get(PUBLISH))
    await minh.post(PUBLISH, content=content, note="VIP từ 5 triệu", approve="1")
    after = await minh.get(f"/shops/{ORG}")

    assert "lan xin duyệt một lần xuất bản" in shop
    assert "Lời nhắn: VIP từ 5 triệu" in shop
    assert f'href="{PUBLISH}"' in shops
    assert "Xem và duyệt" in strip
    assert "Xem và duyệt" not in of_lan + before.text + after.text
    assert await redis.exists(keys.shop(ORG, "alert_sent:approval_requested"))


async def test_a_request_is_void_once_the_draft_changes(lan: Visitor, minh: Visitor) -> None:
    await draft(lan, "5tr")
    await lan.post(f"{PUBLISH}/ask", content=content_of(await lan.get(PUBLISH)), note="VIP")
    path = f"{RULES}/vip/edit"
    await lan.post(path, **form_of(await lan.get(path)) | {"value.n-0": "6tr"})

    assert "xin duyệt đúng bản này" not in (await minh.get(PUBLISH)).text
    assert "xin duyệt" not in (await minh.get(f"/shops/{ORG}")).text


async def test_errors_of_the_draft_lead_to_their_rules(lan: Visitor) -> None:
    await draft(lan, "mười")

    page = await lan.get(PUBLISH)

    assert f'href="{RULES}/vip/edit"' in page.text
    assert "Xuất bản: gắn" not in page.text


async def test_a_version_from_elsewhere_stops_the_draft_until_somebody_decides(
    lan: Visitor, redis: RedisClient
) -> None:
    await draft(lan, "20tr")
    text = "rules:\n - {id: other, tag: B, when: {field: orders_count, op: at_least, value: 9}}"
    await Versions(redis).publish(ORG, parse_rules(text), author="api", parent=0)

    before = await lan.get(PUBLISH)
    await lan.post(f"{RULES}/draft/keep")
    after = await lan.get(PUBLISH)

    assert "nhưng v1 đang chạy" in before.text
    assert "Xuất bản: gắn" not in before.text
    assert "Xuất bản: gắn 1" in after.text


async def test_numbers_of_the_editor_are_those_of_the_review(
    minh: Visitor, redis: RedisClient, shops: ShopRepository
) -> None:
    tagged = [*spending(10, tags=("VIP",)), *spending(40)[10:]]
    await store_customers(redis, shops, ORG, tagged)
    path = await new_rule(minh)

    editor, review = await minh.get(path), await minh.get(PUBLISH)

    assert [*re.findall(r"<dd[^>]*>([^<]*)</dd>", editor.text)[-3:]] == ["36", "+30", "0"]
    assert "gắn 30, gỡ 0, giữ 6" in review.text
