"""The page of a customer: why it has a tag or not, for another day or version, by role; and reading it again."""

from __future__ import annotations

import html
import re

import pytest
import yaml

from service.domain.access import Role
from service.domain.documents import parse_rules
from service.store import working_copies
from service.store.client import RedisClient, keys
from service.store.history import audit_log
from service.store.jobs import runs
from service.store.rules import Versions
from service.store.shops import ShopRepository, save_first_look
from service.store.working_copies import WorkingCopy
from tests.support.history import add_entry
from tests.support.shop import ORG
from tests.support.visitors import Visitor, heading, location
from tests.web.ops.conftest import store_dead_letter
from tests.web.pages.conftest import VisitAs
from tests.web.pages.customers.conftest import RULES

PATH = f"/shops/{ORG}/customers"


async def text_of(visitor: Visitor, path: str) -> str:
    answer = await visitor.get(f"{PATH}/{path}")
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


@pytest.mark.usefixtures("people")
async def test_it_says_why_and_why_not_and_what_is_missing(owner: Visitor, redis: RedisClient) -> None:
    await add_entry(redis, 1, "+VIP", at_ms=1_700_000_000_000)
    page = await text_of(owner, "1")

    assert "Vì sao có “VIP”?" in page
    assert "Tổng chi tiêu từ 10.000.000 ₫ trở lên (đang là 12.300.000 ₫)" in page
    assert "Vì sao không có “Có email”?" in page
    assert "Gold: còn thiếu" in page
    assert "còn thiếu 37.700.000 ₫" in page
    assert "do người khác gắn" in page  # Khách sỉ
    assert "quy tắc “Khách VIP” v1 · webhook · thỏa điều kiện · Tổng chi tiêu: 12.000.000 ₫" in page
    assert "+Có email" in page
    assert "+Silver" in page


@pytest.mark.usefixtures("people")
async def test_every_tag_of_the_customer_and_of_the_rules_has_one_anchor(owner: Visitor) -> None:
    page = (await owner.get(f"{PATH}/1")).text

    for tag in ("vip", "c%C3%B3%20email", "gold", "silver"):
        assert page.count(f'id="tag={tag}"') == 1
    assert 'href="#tag=vip"' in page


@pytest.mark.usefixtures("people")
async def test_names_and_birthdays_are_for_marketers_and_contacts_are_always_masked(
    visitor_of: VisitAs,
) -> None:
    viewer, marketer = [await visitor_of(role) for role in (Role.VIEWER, Role.MARKETER)]

    hidden, shown = await viewer.get(f"{PATH}/1"), await marketer.get(f"{PATH}/1")

    assert (heading(hidden), heading(shown)) == ("L••• D•••", "Lê Dũng")
    assert ("Sinh nhật" in hidden.text, "Sinh nhật" in shown.text) == (False, True)
    for answer in (hidden, shown):
        assert "d•••@example.com" in answer.text
        assert "dung.le" not in answer.text
        assert "912345" not in answer.text


@pytest.mark.usefixtures("people")
async def test_another_version_and_another_day_are_marked_as_such(owner: Visitor, redis: RedisClient) -> None:
    lower = parse_rules(RULES.replace("value: 10_000_000}}", "value: 9_000_000}}", 1))
    await Versions(redis).publish(ORG, lower, author="test", parent=1)

    live, earlier = await text_of(owner, "2"), await text_of(owner, "2?v=1&on=01/03/2027")

    assert "+VIP" in live
    assert "Đây là kết quả nếu" not in live
    assert "+VIP" not in earlier
    assert "áp dụng quy tắc v1 vào 01/03/2027" in earlier
    assert (await owner.get(f"{PATH}/2?v=9")).status_code == 404


@pytest.mark.usefixtures("people")
async def test_a_day_that_is_none_is_said_and_today_is_shown(owner: Visitor) -> None:
    page = await text_of(owner, "1?on=mai")

    assert "Viết ngày như 31/12/2026" in page
    assert 'value="mai"' in page


async def save_draft(redis: RedisClient, text: str) -> None:
    """The draft that people edit, valid or not."""
    document = yaml.safe_load(text)
    before = WorkingCopy(document=document, parent=1)
    draft = WorkingCopy(document=document, rev=1, parent=1, by="lan")
    await working_copies.save(redis, ORG, draft, before=before)


@pytest.mark.usefixtures("people")
async def test_it_explains_by_the_draft_that_people_edit(owner: Visitor, redis: RedisClient) -> None:
    without = await text_of(owner, "2?v=draft")
    await save_draft(redis, RULES.replace("10_000_000}}", "9000000}}", 1))
    offered = await text_of(owner, "2")
    tried = await text_of(owner, "2?v=draft&on=01/12/2026")
    await save_draft(redis, "rules: [{id: vip}]")
    await redis.delete(keys.shop(ORG, "working_copy"))
    await save_draft(redis, "rules: [{id: vip}]")
    wrong = await text_of(owner, "2?v=draft")

    assert 'value="draft"' not in without
    assert '<option value="draft">bản nháp' in offered
    assert "+VIP" not in offered
    assert "+VIP" in tried
    assert "nếu xuất bản bản nháp, tính cho 01/12/2026" in tried
    assert "Bản nháp còn lỗi" in wrong
    assert "+VIP" not in wrong


@pytest.mark.usefixtures("people")
async def test_a_moment_shows_what_was_compared_then(owner: Visitor, redis: RedisClient) -> None:
    entry = await add_entry(redis, 1, "+VIP", at_ms=1_700_000_000_000)
    timeline = await text_of(owner, "1")
    [path] = re.findall(r'href="/shops/[0-9]+/customers/(1\?v=1&on=15%2F11%2F2023&entry=[^"]+)"', timeline)
    feed = html.unescape((await owner.get(f"/shops/{ORG}/activity")).text)

    page = await text_of(owner, path)
    unknown = await text_of(owner, "1?entry=1-1")

    assert path.endswith(f"entry={entry}#tag=vip")
    assert f"/customers/{path}" in feed
    assert 'id="moment"' in page
    assert "Tổng chi tiêu: 12.000.000 ₫" in page
    assert 'id="moment"' not in unknown


@pytest.mark.usefixtures("people")
async def test_what_stands_in_the_way_is_above(
    owner: Visitor, redis: RedisClient, shops: ShopRepository
) -> None:
    await store_dead_letter(redis, 1)
    await redis.hset(keys.shop(ORG, "mark:1"), "generation", "1")
    await owner.post(f"/shops/{ORG}/pause", reason="bảo trì")
    await save_first_look(redis, ORG, "waiting")

    page = await text_of(owner, "1")

    assert "Cửa hàng đang tạm dừng (bảo trì)" in page
    assert "đang chờ được kiểm tra lại" in page
    assert "Haravan từ chối: 422" in page
    assert "tagger " not in page  # commands are for the terminal


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("never", "Hệ thống chưa gặp mã này"),
        ("pending", "đang đọc lần đầu toàn bộ"),
        ("marked", "đang chờ đến lượt"),
        ("letter", "Haravan từ chối: 422"),
        ("paused", "đang tạm dừng nên"),
    ],
)
async def test_a_customer_that_was_never_read_says_why(
    owner: Visitor, redis: RedisClient, state: str, said: str
) -> None:
    if state == "pending":
        await save_first_look(redis, ORG, "pending")
    if state == "marked":
        await redis.hset(keys.shop(ORG, "mark:123"), "generation", "1")
    if state == "letter":
        await store_dead_letter(redis, 123)
    if state == "paused":
        await owner.post(f"/shops/{ORG}/pause", reason="bảo trì")

    assert said in await text_of(owner, "123")


async def test_reading_again_is_a_replay_of_this_customer(owner: Visitor, redis: RedisClient) -> None:
    answer = await owner.post(f"{PATH}/123/read")

    assert location(answer) == f"{PATH}/123"
    [run] = await runs.latest(redis, ORG)
    assert (run.kind, run.by, run.total) == ("replay", "owner", 1)
    assert await redis.lrange(keys.shop(ORG, f"run:{run.id}:waiting"), 0, -1) == [b"123"]
    assert (await audit_log.list_entries(redis, ORG))[0].entry.action == "replay"


@pytest.mark.parametrize("customer", ["0", "-1", "nobody", "9" * 20, "1e3"])
async def test_what_is_no_id_is_no_customer(owner: Visitor, customer: str) -> None:
    assert (await owner.get(f"{PATH}/{customer}")).status_code == 404
    assert (await owner.post(f"{PATH}/{customer}/read")).status_code == 404
