"""The list says what each rule means, how it differs from what is live, and how many customers it matches."""

from __future__ import annotations

import re

import httpx2
import pytest

from service.domain.access import Role
from service.domain.documents import validate_rules
from service.locales import translator_for
from service.store import working_copies
from service.store.client import RedisClient
from service.store.history import audit_log
from service.web.pages.rules.listing import make_rows
from service.web.pages.rules.templates import TEMPLATES, Template
from tests.support.shop import ORG
from tests.support.visitors import Visitor, visit_as
from tests.web.pages.rules.test_editor import RULES, new_rule

VI = translator_for("vi")


async def test_without_rules_the_templates_are_there(lan: Visitor) -> None:
    page = await lan.get(RULES)

    assert "Chưa có quy tắc nào" in page.text
    assert len(re.findall('name="template"', page.text)) == 9


async def test_the_matches_are_counted_on_request(lan: Visitor) -> None:
    await new_rule(lan)

    page, counted = await lan.get(RULES), await lan.get(f"{RULES}/counts")

    assert "1 mới, 0 sửa, 0 xóa" in page.text
    assert re.findall(r'data-label="Khách khớp">([^<]+)<', counted.text) == ["16"]


@pytest.mark.parametrize(
    "template",
    [each for each in TEMPLATES if each.key in ("vip", "dormant", "birthday", "new", "subscriber")],
)
def test_a_template_with_all_its_values_is_a_valid_rule(template: Template) -> None:
    assert validate_rules({"rules": [template.entry(VI)]}).rules


async def test_every_template_opens_in_the_editor(lan: Visitor) -> None:
    for template in TEMPLATES:
        answer = await lan.get(await new_rule(lan, template.key))
        assert answer.status_code == 200, template.key


async def test_a_discarded_draft_is_gone_and_in_the_audit(lan: Visitor, redis: RedisClient) -> None:
    await new_rule(lan)

    await lan.post(f"{RULES}/draft/discard")

    assert await working_copies.load(redis, ORG) is None
    [row] = await audit_log.list_entries(redis, ORG)
    assert (row.entry.action, row.entry.by) == ("discard_draft", "lan")


async def test_a_tier_is_a_ladder_with_its_distribution(lan: Visitor, redis: RedisClient) -> None:
    path = await new_rule(lan, "tier")
    page = await lan.get(path)
    fields = {"base": re.findall(r'name="base" value="(\w+)"', page.text)[0], "editor_id": "e", "ladder": "1"}
    levels: dict[str, str | list[str]] = {"tag": ["Vàng", "Bạc"], "threshold": ["15tr", "8tr"]}

    saved = await lan.post(
        path, **fields, **levels, name="Hạng", field="total_spent", downgrade="after", downgrade_days="90"
    )
    after = await lan.get(path)

    assert saved.status_code == 303
    assert re.findall(r'data-label="Khách hàng">(\d+)', after.text) == ["6", "7", "7"]
    copy = await working_copies.load(redis, ORG)
    assert copy is not None
    [tier] = copy.document["tiers"]
    assert tier["downgrade"] == {"after": "90 days"}
    assert [level["when"]["value"] for level in tier["levels"]] == [15_000_000, 8_000_000]


def test_the_state_of_a_rule_compares_the_draft_with_what_is_live() -> None:
    def rule(rule_id: str, amount: int | str) -> dict[str, object]:
        return {
            "id": rule_id,
            "tag": rule_id,
            "when": {"field": "total_spent", "op": "at_least", "value": amount},
        }

    live = {"rules": [rule("same", 1), rule("other", 1), rule("gone", 1)]}
    document = {"rules": [rule("same", 1), rule("other", 2), rule("fresh", "mười")]}

    rows = make_rows(document, live, t=VI, counts={})

    assert [(row.id, row.state, row.problems) for row in rows] == [
        ("same", "live", 0),
        ("other", "changed", 0),
        ("fresh", "new", 1),
        ("gone", "deleted", 0),
    ]


async def test_a_viewer_sees_rules_and_nothing_to_change_them(
    lan: Visitor, client: httpx2.AsyncClient, redis: RedisClient
) -> None:
    await new_rule(lan)
    viewer = await visit_as(client, redis, Role.VIEWER)

    page = await viewer.get(RULES)

    assert "Khách VIP" in page.text
    assert "/edit" not in page.text
    assert "/publish" not in page.text
