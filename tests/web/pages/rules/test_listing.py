"""The list says what each rule means, how it differs from what is live, and how many customers it matches."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest

from service.context import Context
from service.domain.access import Role
from service.domain.documents import validate_rules
from service.domain.rules import Calendar
from service.publishing import editor
from service.publishing.editor import RuleSummary
from service.store import working_copies
from service.store.client import RedisClient, keys
from service.store.history import audit_log
from service.store.rules import Versions
from service.store.shops import ShopRepository
from service.web.pages.rules.listing import Filters, fits
from tests.support.shop import ORG
from tests.support.visitors import Visitor, visit_as
from tests.web.pages.editors.test_editing import RULES, form_of, new_rule


async def test_without_rules_the_templates_are_there(lan: Visitor) -> None:
    page = await lan.get(RULES)

    assert "Chưa có quy tắc nào" in page.text
    assert len(re.findall('name="template"', page.text)) == 9


async def test_the_matches_are_counted_on_request(lan: Visitor) -> None:
    await new_rule(lan)

    page, counted = await lan.get(RULES), await lan.get(f"{RULES}/counts")

    assert "1 mới, 0 sửa, 0 xóa" in page.text
    assert re.findall(r'data-label="Khách khớp"><div>([^<]+)<', counted.text) == ["16"]


async def test_a_discarded_draft_is_gone_and_in_the_audit(lan: Visitor, redis: RedisClient) -> None:
    await new_rule(lan)

    await lan.post(f"{RULES}/draft/discard")

    assert await working_copies.load(redis, ORG) is None
    [row] = await audit_log.list_entries(redis, ORG)
    assert (row.entry.action, row.entry.by) == ("discard_draft", "lan")


async def test_the_state_of_a_rule_compares_the_draft_with_what_is_live(
    minh: Visitor, redis: RedisClient, shops: ShopRepository
) -> None:
    def rule(rule_id: str, amount: int | str) -> dict[str, object]:
        when = {"field": "total_spent", "op": "at_least", "value": amount}
        return {"id": rule_id, "tag": rule_id, "when": when}

    context = Context(redis, shops, Versions(redis))
    live = validate_rules({"rules": [rule("same", 1), rule("other", 1), rule("gone", 1)]})
    await context.versions.publish(ORG, live, author="minh", parent=0)
    copy = await editor.open_copy(context, await shops.get_or_raise(ORG))
    same, other, _ = copy.document["rules"]
    other["when"]["value"] = 2
    document = copy.document | {"rules": [same, other, rule("fresh", "mười")]}

    rows = await editor.summarize(context, ORG, document, 1, "vi", count=True)

    assert [(row.id, row.state, row.problems) for row in rows] == [
        ("same", "live", 0),
        ("other", "changed", 0),
        ("fresh", "new", 1),
        ("gone", "deleted", 0),
    ]
    assert [row.matches is not None for row in rows] == [True, True, False, False]


async def test_a_viewer_sees_rules_and_nothing_to_change_them(
    lan: Visitor, client: httpx2.AsyncClient, redis: RedisClient
) -> None:
    await new_rule(lan)
    viewer = await visit_as(client, redis, Role.VIEWER)

    page = await viewer.get(RULES)

    assert "Khách VIP" in page.text
    assert "/edit" not in page.text
    assert "/publish" not in page.text


def summary(rule_id: str, *tags: str, **changes: Any) -> RuleSummary:
    return RuleSummary(rule_id, "Khách ở Đà Nẵng", tags, False, True, "live", ("Tỉnh là Đà Nẵng",), **changes)


@pytest.mark.parametrize(
    ("filters", "fits_it"),
    [
        (Filters("da nang"), True),
        (Filters("NANG khach"), True),
        (Filters("Đà Nẵng"), True),
        (Filters("hue"), False),
        (Filters(tag="VIP"), True),
        (Filters(tag="vip"), False),
        (Filters(state="on"), True),
        (Filters(state="off"), False),
        (Filters(state="draft"), False),
        (Filters(state="timed"), True),
        (Filters(state="warned"), False),
    ],
)
def test_the_list_is_narrowed_without_regard_to_diacritics(filters: Filters, fits_it: bool) -> None:
    assert fits(summary("dn", "VIP", is_timed=True), filters) is fits_it


async def test_a_search_keeps_what_is_not_found_out_of_the_list(lan: Visitor) -> None:
    await new_rule(lan)
    await new_rule(lan, "dormant")

    found, none = await lan.get(f"{RULES}/counts?q=ngu+dong"), await lan.get(f"{RULES}?q=xyz")

    assert "Ngủ đông 90 ngày" in found.text
    assert "Khách VIP</a>" not in found.text
    assert "Không có quy tắc nào như vậy" in none.text


async def test_marks_say_what_moves_by_itself_and_what_matches_nobody(lan: Visitor) -> None:
    await new_rule(lan, "birthday")
    path = await new_rule(lan)
    await lan.post(path, **form_of(await lan.get(path)) | {"value.n-0": "900tr", "keep": "forever"})

    page = await lan.get(f"{RULES}/counts")

    assert 'title="Đổi theo thời gian: được xét lại mỗi ngày"' in page.text
    assert 'title="Nhãn đã gắn thì giữ luôn, không gỡ.' in page.text
    assert "0 khách" in page.text
    assert "<li>Hiện không có khách hàng nào thỏa điều kiện." in page.text


async def test_the_week_of_each_rule_is_that_of_the_days_of_the_shop(
    lan: Visitor, redis: RedisClient
) -> None:
    await new_rule(lan)
    seconds, _ = await redis.time()
    today = Calendar(ZoneInfo("Asia/Ho_Chi_Minh")).day_of(int(seconds) * 1000)
    for day, added in ((today, 100), (today - 6, 20), (today - 7, 5000)):
        await redis.hset(keys.shop(ORG, f"day_counts:{day}"), mapping={"+vip|VIP": added, "-vip|VIP": 4})

    page = await lan.get(RULES)

    assert '<span class="add">+120</span> <span class="remove">−8</span>' in page.text


async def test_an_action_of_a_row_leads_to_the_customers_with_the_tag(lan: Visitor) -> None:
    await new_rule(lan)

    page = await lan.get(RULES)

    assert "Khách đang có “VIP”" in page.text
    assert f'action="/shops/{ORG}/customers"' in page.text
