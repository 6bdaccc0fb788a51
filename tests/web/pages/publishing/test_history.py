"""The history shows every version, what it changed, and the way back, also to before the first."""

from __future__ import annotations

from service.store.client import RedisClient
from service.store.history import audit_log
from service.store.rules import Version, Versions
from service.web.pages.publishing.history import make_rows
from tests.support.shop import ORG
from tests.support.visitors import Visitor, location
from tests.web.pages.publishing.test_review import PUBLISH, content_of, draft

HISTORY = f"/shops/{ORG}/history"


async def publish(visitor: Visitor, amount: str) -> None:
    await draft(visitor, amount)
    answer = await visitor.post(
        PUBLISH, content=content_of(await visitor.get(PUBLISH)), note="Lần đầu", approve="1"
    )
    assert answer.status_code == 303, answer.text


async def test_a_published_version_is_listed_with_what_it_changed(minh: Visitor) -> None:
    await publish(minh, "20tr")

    page, version = await minh.get(HISTORY), await minh.get(f"{HISTORY}/1")

    assert "Lần đầu" in page.text
    assert "Đang chạy" in page.text
    assert "Tổng chi tiêu từ 20.000.000 ₫ trở lên" in version.text


async def test_a_roll_back_to_before_the_first_version_is_a_new_version(
    minh: Visitor, redis: RedisClient
) -> None:
    await publish(minh, "20tr")
    page = await minh.get(f"{HISTORY}/0/rollback")

    done = await minh.post(f"{HISTORY}/0/rollback", live="1", note="Nhầm")

    assert "Quay lại: gắn" in page.text
    assert location(done) == f"{HISTORY}/2"
    live = await Versions(redis).live(ORG)
    assert live is not None
    assert (live.number, live.note, live.author) == (2, "Nhầm", "minh")
    assert (await Versions(redis).document(ORG, 2)).all == ()
    assert "rollback" in [row.entry.action for row in await audit_log.list_entries(redis, ORG)]


async def test_a_roll_back_of_another_version_than_the_reader_saw_is_refused(
    minh: Visitor, redis: RedisClient
) -> None:
    await publish(minh, "20tr")

    refused = await minh.post(f"{HISTORY}/0/rollback", live="7", note="Nhầm")

    assert refused.status_code == 409
    assert await Versions(redis).live_number(ORG) == 1


async def test_a_version_that_does_not_exist_is_not_found(minh: Visitor) -> None:
    assert (await minh.get(f"{HISTORY}/9")).status_code == 404
    assert (await minh.get(f"{HISTORY}/x/rollback")).status_code == 404


def test_equal_rules_are_shown_as_the_earlier_version() -> None:
    def version(number: int, content: str) -> Version:
        return Version(number=number, content=content, author="a", note="", at_ms=1, parent=number - 1)

    rows = make_rows((version(3, "x"), version(2, "y"), version(1, "x")), 3, {})

    assert [(row.version.number, row.is_live, row.same_as) for row in rows] == [
        (3, True, 1),
        (2, False, 0),
        (1, False, 0),
    ]
