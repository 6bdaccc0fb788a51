"""Undo and redo go through the states of the draft; who edits is seen; two who save the same rule see both versions."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from service.context import Context
from service.domain.access import shell_user
from service.publishing.editor import base_of, save_entry
from service.store import working_copies
from service.store.client import RedisClient
from service.store.rules import Versions
from service.store.shops import ShopRepository
from service.store.working_copies import EDITING_MS, MAX_UNDO, WorkingCopy
from tests.support.shop import ORG
from tests.support.visitors import Visitor, location
from tests.web.pages.editors.test_editing import RULES, form_of, new_rule, partial


async def save(visitor: Visitor, path: str, amount: str) -> None:
    await visitor.post(path, **form_of(await visitor.get(path)) | {"value.n-0": amount})


async def amount(visitor: Visitor, path: str) -> str:
    return form_of(await visitor.get(path))["value.n-0"]


async def test_what_was_undone_can_be_redone_until_somebody_saves(lan: Visitor) -> None:
    path = await new_rule(lan)
    await save(lan, path, "6tr")
    await save(lan, path, "7tr")

    await lan.post(f"{RULES}/draft/undo", rule="vip")
    await lan.post(f"{RULES}/draft/undo", rule="vip")
    assert await amount(lan, path) == "5.000.000"
    await lan.post(f"{RULES}/draft/redo", rule="vip")
    assert await amount(lan, path) == "6.000.000"
    await save(lan, path, "8tr")
    nothing = await lan.post(f"{RULES}/draft/redo", rule="vip")

    assert await amount(lan, path) == "8.000.000"
    assert location(nothing) == RULES


async def test_undo_goes_back_to_the_live_rules_and_keeps_fifty_states(redis: RedisClient) -> None:
    copy = WorkingCopy(document={"rules": []})
    for rev in range(1, MAX_UNDO + 3):
        new = WorkingCopy(document={"rules": [], "n": rev}, rev=rev)
        assert await working_copies.save(redis, ORG, new, before=copy)
        copy = new

    assert await working_copies.count_steps(redis, ORG) == (MAX_UNDO, 0)
    for _ in range(MAX_UNDO):
        assert await working_copies.undo(redis, ORG, by="lan", at_ms=1)
    assert await working_copies.undo(redis, ORG, by="lan", at_ms=1) is None
    assert await working_copies.count_steps(redis, ORG) == (0, MAX_UNDO)


async def test_the_first_change_of_a_draft_can_be_undone(lan: Visitor, redis: RedisClient) -> None:
    await new_rule(lan)

    await lan.post(f"{RULES}/draft/undo")

    copy = await working_copies.load(redis, ORG)
    assert copy is not None
    assert copy.document["rules"] == []


async def test_undo_names_the_rule_that_it_changes_if_it_is_another_one(lan: Visitor) -> None:
    one, other = await new_rule(lan), await new_rule(lan, "dormant")
    await save(lan, one, "6tr")

    assert "Hoàn tác “Khách VIP”" in (await lan.get(other)).text
    assert "Hoàn tác “Khách VIP”" not in (await lan.get(one)).text


async def test_others_see_who_has_the_rule_open(lan: Visitor, minh: Visitor) -> None:
    path, other = await new_rule(lan), await new_rule(lan, "dormant")
    await lan.get(path)

    assert "lan đang sửa quy tắc này từ" in (await minh.get(path)).text
    assert "lan đang sửa" not in (await minh.get(other)).text
    assert "lan đang sửa" in (await minh.get(RULES)).text
    assert "lan đang sửa" not in (await lan.get(path)).text


async def test_an_open_editor_asks_who_else_is_there(lan: Visitor, minh: Visitor) -> None:
    path = await new_rule(lan)
    await lan.get(path)
    await minh.get(path)

    answer = await lan.get(path.replace("/edit", "/editing?editor=e1"), hx_request="true")

    assert "minh đang sửa quy tắc này từ" in answer.text
    assert "<html" not in answer.text


async def test_who_has_left_is_forgotten(redis: RedisClient) -> None:
    await working_copies.note_editing(redis, ORG, "a", entry="vip", by="lan", at_ms=1_000)
    await working_copies.note_editing(redis, ORG, "b", entry="vip", by="minh", at_ms=1_000 + EDITING_MS)
    await working_copies.note_editing(redis, ORG, "b", entry="vip", by="minh", at_ms=2_000 + EDITING_MS)

    [left] = await working_copies.list_editing(redis, ORG, now_ms=2_000 + EDITING_MS)

    assert (left.by, left.since_ms) == ("minh", 1_000 + EDITING_MS)


async def test_a_conflict_shows_both_versions_line_by_line(lan: Visitor, minh: Visitor) -> None:
    path = await new_rule(lan)
    of_lan, of_minh = form_of(await lan.get(path)), form_of(await minh.get(path))
    await minh.post(path, **of_minh | {"value.n-0": "7tr", "tag": "Quý"})
    await new_rule(lan, "dormant")  # another rule was saved last, by somebody else

    refused = await lan.post(path, **of_lan | {"value.n-0": "9tr"})

    assert refused.status_code == 409
    assert "minh đã lưu quy tắc này" in refused.text
    marked = re.findall(r"<mark>(.*?)</mark>", refused.text)
    assert [each for each in marked if "000" in each] == [
        "Tổng chi tiêu từ 9.000.000 ₫ trở lên",
        "Tổng chi tiêu từ 7.000.000 ₫ trở lên",
    ]
    assert "Tên: Khách VIP" in refused.text
    assert "<mark>Tên: Khách VIP</mark>" not in refused.text


async def test_a_conflict_about_a_version_with_errors_compares_the_yaml(lan: Visitor, minh: Visitor) -> None:
    path = await new_rule(lan)
    of_lan, of_minh = form_of(await lan.get(path)), form_of(await minh.get(path))
    await minh.post(path, **of_minh | {"value.n-0": "nhiều"})

    refused = await lan.post(path, **of_lan | {"value.n-0": "9tr"})

    assert "value: nhiều" in refused.text
    assert "value: 9_000_000" in refused.text


async def test_a_rule_that_was_deleted_meanwhile_comes_back_if_one_insists(
    lan: Visitor, minh: Visitor
) -> None:
    path = await new_rule(lan)
    of_lan = form_of(await lan.get(path)) | {"value.n-0": "9tr"}
    await minh.post(path.replace("/edit", "/remove"), how="delete")

    refused = await lan.post(path, **of_lan)
    kept = await lan.post(path, **of_lan | {"force": "1"})

    assert refused.status_code == 409
    assert "minh đã xóa quy tắc này" in refused.text
    assert kept.status_code == 303
    assert await amount(lan, path) == "9.000.000"


async def test_ten_people_who_save_at_the_same_moment_all_succeed(
    lan: Visitor, redis: RedisClient, shops: ShopRepository
) -> None:
    context = Context(redis, shops, Versions(redis))
    for _ in range(10):
        await new_rule(lan)
    copy, shop = await working_copies.load(redis, ORG), await context.shops.get_or_raise(ORG)
    assert copy is not None

    async def edit(entry: dict[str, Any]) -> None:
        changed = entry | {"note": "sửa"}
        await save_entry(
            context, shop, entry["id"], changed, by=shell_user("test"), editor="", base=base_of(entry)
        )

    await asyncio.gather(*map(edit, copy.document["rules"]))

    saved = await working_copies.load(redis, ORG)
    assert saved is not None
    assert [each["note"] for each in saved.document["rules"]] == ["sửa"] * 10


async def test_two_people_in_one_tier_see_both_versions_as_well(lan: Visitor, minh: Visitor) -> None:
    path = await new_rule(lan, "tier")
    of_lan, of_minh = form_of(await lan.get(path)), form_of(await minh.get(path))
    await minh.post(path, **of_minh | {"threshold.0": "70tr"})

    refused = await partial(lan, path, of_lan | {"threshold.0": "90tr", "part": "panel"})

    assert refused.status_code == 409
    assert refused.headers["HX-Retarget"] == "#editor"
    assert "từ 90.000.000 ₫" in refused.text
    assert "từ 70.000.000 ₫" in refused.text
