"""A reviewed draft is scheduled in the shop's time; the schedule is shown, moved, cancelled, turned back, published."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx2
import msgspec

from service.domain.documents import parse_rules
from service.store import scheduled, working_copies
from service.store.client import RedisClient, keys
from service.store.rules import Versions
from service.store.shops import ShopRepository
from tests.support.customers import spending, store_customers
from tests.support.shop import ORG
from tests.support.visitors import Visitor, location
from tests.web.ops.conftest import execute_jobs
from tests.web.pages.publishing.test_review import PUBLISH, actions, content_of, draft

SCHEDULED = f"/shops/{ORG}/rules/publish/scheduled"
LOCAL = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")) + timedelta(days=2)
DAY, TIME = f"{LOCAL:%d/%m/%Y}", "08:30"
OTHER = "rules:\n - {id: other, tag: B, when: {field: orders_count, op: at_least, value: 9}}"


async def schedule(visitor: Visitor, amount: str = "20tr", **fields: str) -> httpx2.Response:
    await draft(visitor, amount)
    content = content_of(await visitor.get(PUBLISH))
    form = {"content": content, "note": "Từ mùng 1", "day": DAY, "time": TIME} | fields
    return await visitor.post(f"{PUBLISH}/schedule", **form)


async def pass_time(redis: RedisClient) -> None:
    """The time comes, and a worker executes the job."""
    entry = await scheduled.load(redis, ORG)
    assert entry is not None
    async with redis.pipeline() as pipe:
        scheduled.queue_save(pipe, ORG, msgspec.structs.replace(entry, at_ms=entry.scheduled_ms - 1))
        await pipe.execute()
    await execute_jobs(redis)


async def test_a_draft_is_scheduled_on_the_clock_of_the_shop(lan: Visitor, redis: RedisClient) -> None:
    answer = await schedule(lan)

    page, review = await lan.get(SCHEDULED), await lan.get(PUBLISH)

    entry = await scheduled.load(redis, ORG)
    assert location(answer) == SCHEDULED
    assert entry is not None
    at = datetime.fromtimestamp(entry.at_ms / 1000, UTC)
    assert (at.hour, at.minute) == (1, 30)  # 08:30 in Việt Nam
    assert (entry.by.name, entry.note, entry.preview["added"]) == ("lan", "Từ mùng 1", 1)
    assert await working_copies.load(redis, ORG) is None
    assert "08:30" in page.text
    assert "Xuất bản: gắn 1, gỡ 0" in page.text
    assert "Đã đặt lịch xuất bản lúc" in review.text
    assert await actions(redis) == [("schedule", "lan")]


async def test_it_goes_live_and_the_history_says_so(lan: Visitor, redis: RedisClient) -> None:
    await schedule(lan)

    await pass_time(redis)

    live = await Versions(redis).live(ORG)
    assert live is not None
    assert (live.number, live.author, live.note) == (1, "lan", "Từ mùng 1")
    assert "theo lịch" in (await lan.get(f"/shops/{ORG}/history")).text
    assert "Chưa đặt lịch xuất bản" in (await lan.get(SCHEDULED)).text


async def test_a_time_that_is_missing_or_over_is_named_and_nothing_typed_is_lost(
    lan: Visitor, redis: RedisClient
) -> None:
    missing = await schedule(lan, time="")
    content = content_of(missing)
    past = await lan.post(
        f"{PUBLISH}/schedule", content=content, note="Từ mùng 1", day="01/01/2020", time="8:00"
    )

    absurd = await lan.post(f"{PUBLISH}/schedule", content=content, note="x", day="01/01/0001", time="8:00")

    assert (missing.status_code, past.status_code, absurd.status_code) == (422, 422, 422)
    assert "Hãy chọn ngày và giờ." in missing.text
    assert "Giờ này đã qua." in past.text
    assert 'value="Từ mùng 1"' in past.text
    assert await scheduled.load(redis, ORG) is None


async def test_it_is_moved_and_cancelled(lan: Visitor, redis: RedisClient) -> None:
    await schedule(lan)

    wrong = await lan.post(f"{SCHEDULED}/move", day="x", time="x")
    moved = await lan.post(f"{SCHEDULED}/move", day=DAY, time="23:15")
    page = await lan.get(SCHEDULED)
    cancelled = await lan.post(f"{SCHEDULED}/cancel")

    assert wrong.status_code == 422
    assert (moved.status_code, cancelled.status_code) == (303, 303)
    assert "23:15" in page.text
    assert await scheduled.load(redis, ORG) is None
    assert [action for action, _ in await actions(redis)] == ["unschedule", "reschedule", "schedule"]


async def test_it_becomes_the_draft_again_unless_there_is_one(lan: Visitor, redis: RedisClient) -> None:
    await schedule(lan)
    await draft(lan, "18tr")
    refused = await lan.post(f"{SCHEDULED}/edit")
    await lan.post(f"/shops/{ORG}/rules/draft/discard")

    await lan.post(f"{SCHEDULED}/edit")

    assert refused.status_code == 409
    assert await scheduled.load(redis, ORG) is None
    assert "Xuất bản: gắn 1" in (await lan.get(PUBLISH)).text


async def test_a_conflict_stops_it_and_the_page_says_why(lan: Visitor, redis: RedisClient) -> None:
    await schedule(lan)
    await Versions(redis).publish(ORG, parse_rules(OTHER), author="api", parent=0)
    await pass_time(redis)

    page = await lan.get(SCHEDULED)
    stale = await lan.post(f"{SCHEDULED}/publish", live="0")
    done = await lan.post(f"{SCHEDULED}/publish", live="1")

    assert "v1 đã được xuất bản sau khi đặt lịch trên v0" in page.text
    assert "Bản này thay v1 đang chạy." in page.text
    assert stale.status_code == 409
    assert location(done) == f"/shops/{ORG}/history/2"


async def test_rules_that_the_shop_does_not_accept_any_more_stop_it_and_the_page_says_why(
    lan: Visitor, redis: RedisClient
) -> None:
    await schedule(lan)
    await redis.hset(keys.shop(ORG, "shop"), "currency", "USD")
    await pass_time(redis)

    page = await lan.get(SCHEDULED)
    cancelled = await lan.post(f"{SCHEDULED}/cancel")

    assert page.status_code == 200
    assert "Cửa hàng không nhận quy tắc này: quy tắc dùng VND, còn số tiền của cửa hàng là USD" in page.text
    assert "Xuất bản: gắn" not in page.text
    assert location(cancelled) == f"/shops/{ORG}/rules"


async def test_the_guard_stops_it_and_ops_approves_on_its_page(
    lan: Visitor, minh: Visitor, redis: RedisClient, shops: ShopRepository
) -> None:
    await schedule(lan)
    await store_customers(redis, shops, ORG, spending(60))
    await pass_time(redis)

    for_lan = await lan.get(SCHEDULED)
    forced = await lan.post(f"{SCHEDULED}/publish", live="0", approve="1")
    unapproved = await minh.post(f"{SCHEDULED}/publish", live="0")
    approved = await minh.post(f"{SCHEDULED}/publish", live="0", approve="1")

    assert "Cần người vận hành duyệt." in for_lan.text
    assert "Xuất bản: gắn" not in for_lan.text
    assert (forced.status_code, unapproved.status_code) == (403, 409)
    assert location(approved) == f"/shops/{ORG}/history/1"
    assert await scheduled.load(redis, ORG) is None


async def test_another_one_replaces_it_only_on_purpose(lan: Visitor, redis: RedisClient) -> None:
    await schedule(lan)

    refused = await schedule(lan, "19,5tr")
    content = content_of(await lan.get(PUBLISH))
    replaced = await lan.post(
        f"{PUBLISH}/schedule", content=content, note="Khác", day=DAY, time=TIME, replace="1"
    )

    assert (refused.status_code, replaced.status_code) == (409, 303)
    entry = await scheduled.load(redis, ORG)
    assert entry is not None
    assert entry.note == "Khác"
