"""Rules go out as YAML and come in as YAML or JSON, into the draft; a wrong file changes nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from service.domain.documents import parse_rules
from service.store import working_copies
from service.store.client import RedisClient
from tests.support.shop import ORG
from tests.support.visitors import BASE_URL, SAME_ORIGIN, Visitor, location
from tests.web.pages.editors.test_editing import RULES, form_of, new_rule

TWENTY = Path("tests/payloads/rules/twenty.yaml").read_text(encoding="utf-8")
ONE = """
rules:
  - {id: vip, tag: Quý, when: {field: total_spent, op: at_least, value: 9_000_000}}
  - {id: moi, tag: Mới, when: {field: orders_count, op: at_least, value: 1}}
"""


async def document(redis: RedisClient) -> dict[str, Any]:
    copy = await working_copies.load(redis, ORG)
    assert copy is not None
    return copy.document


async def test_an_import_replaces_rules_of_the_same_id_and_keeps_the_others(
    lan: Visitor, redis: RedisClient
) -> None:
    await new_rule(lan)
    await new_rule(lan, "dormant")

    done = await lan.post(f"{RULES}/import", text=ONE, how="merge")

    assert location(done) == RULES
    rules = (await document(redis))["rules"]
    assert [(rule["id"], rule["tag"]) for rule in rules] == [
        ("vip", "Quý"),
        ("dormant", "Ngủ đông"),
        ("moi", "Mới"),
    ]
    await lan.post(f"{RULES}/draft/undo")
    assert [rule["tag"] for rule in (await document(redis))["rules"]] == ["VIP", "Ngủ đông"]


async def test_an_import_may_replace_everything(lan: Visitor, redis: RedisClient) -> None:
    await new_rule(lan, "dormant")

    await lan.post(f"{RULES}/import", text=ONE, how="whole")

    assert [rule["id"] for rule in (await document(redis))["rules"]] == ["vip", "moi"]


async def test_what_was_exported_is_the_same_when_it_is_imported(lan: Visitor, redis: RedisClient) -> None:
    await lan.post(f"{RULES}/import", text=TWENTY, how="whole")
    before = await document(redis)
    exported = await lan.get(f"{RULES}/export")

    await lan.post(f"{RULES}/import", text=exported.text, how="whole")

    assert exported.headers["content-disposition"] == f'attachment; filename="rules-{ORG}.yaml"'
    assert parse_rules(exported.text) == parse_rules(TWENTY)
    assert await document(redis) == before


async def test_a_draft_with_errors_can_be_exported(lan: Visitor) -> None:
    path = await new_rule(lan)
    await lan.post(path, **form_of(await lan.get(path)) | {"value.n-0": "nhiều"})

    assert "value: nhiều" in (await lan.get(f"{RULES}/export")).text


async def test_a_file_is_read_instead_of_the_text(lan: Visitor, redis: RedisClient) -> None:
    answer = await lan.client.post(
        f"{BASE_URL}{RULES}/import",
        data={"form_token": lan.secret.form_token, "text": "", "how": "merge"},
        files={"file": ("rules.yaml", b"\xef\xbb\xbf" + ONE.encode(), "application/yaml")},
        headers=lan.headers() | SAME_ORIGIN,
    )

    assert answer.status_code == 303
    assert len((await document(redis))["rules"]) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules:\n  - {id: a, tag: A, whem: {}}", "dòng 2, cột"),
        ("rules: [", "dòng 2, cột 1"),
        ("", "chỗ cần sửa"),
        ("currency: USD\nrules: []", "cửa hàng dùng VND"),
        ("x: " + "y" * 300_000, "256 KiB"),
        ("rules: \x00", "chỗ cần sửa"),
    ],
)
async def test_a_wrong_text_changes_nothing_and_is_shown_again(
    lan: Visitor, redis: RedisClient, text: str, said: str
) -> None:
    refused = await lan.post(f"{RULES}/import", text=text, how="merge")

    assert refused.status_code == 422
    assert said in refused.text
    assert await working_copies.load(redis, ORG) is None
    if len(text) < 1000 and "\x00" not in text:
        [shown] = re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", refused.text, re.DOTALL)
        assert shown == text
