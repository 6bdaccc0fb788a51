"""A tier is edited by thresholds of one number, or by conditions of its own for each level."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.datastructures import FormData

from service.domain.preview import TierPreview
from service.domain.preview.impact import TierMove
from service.store import working_copies
from service.store.client import RedisClient
from service.store.shops import Shop, ShopRepository
from service.web.pages.editors.tiers import NEW_TIER, change_levels, ladder_field, make_moves, read_tier
from tests.support.shop import ORG
from tests.support.visitors import Visitor
from tests.web.pages.editors.test_editing import form_of, new_rule, partial


def bars(text: str) -> list[str]:
    """The customers of each level in the panel, and last of none."""
    return re.findall(r'<span class="num">([\d.]+)</span><svg', text)


async def stored_tier(redis: RedisClient) -> dict[str, Any]:
    copy = await working_copies.load(redis, ORG)
    assert copy is not None
    [tier] = copy.document["tiers"]
    return dict(tier)


async def test_thresholds_show_their_distribution_while_one_types(lan: Visitor, redis: RedisClient) -> None:
    path = await new_rule(lan, "tier")
    fields = form_of(await lan.get(path)) | {"tag.0": "Vàng", "threshold.0": "15tr"}

    answer = await partial(lan, path, fields | {"threshold.1": "8tr", "threshold.2": "2tr", "part": "panel"})

    assert bars(answer.text) == ["6", "7", "6", "1"]
    assert 'name="threshold.0"' not in answer.text  # what is typed is never overwritten
    assert '<span class="hint" id="customers-1" data-hx-swap-oob="true">7 khách</span>' in answer.text
    tier = await stored_tier(redis)
    assert [level["when"]["value"] for level in tier["levels"]] == [15_000_000, 8_000_000, 2_000_000]
    assert tier["levels"][0]["tag"] == "Vàng"


async def test_each_level_may_have_conditions_of_its_own(lan: Visitor, redis: RedisClient) -> None:
    path = await new_rule(lan, "tier")
    fields = form_of(await lan.get(path))

    own = form_of(await partial(lan, path, fields | {"mode": "own"}))
    more = form_of(await partial(lan, path, own | {"do": "add:l0"}))
    orders = {"field.l0-1": "orders_count", "op.l0-1": "at_least", "was.l0-1": "orders_count:at_least"}
    answer = await partial(
        lan,
        path,
        more | orders | {"value.l0-0": "5tr", "value.l0-1": "4", "value.l1-0": "3tr", "part": "panel"},
    )

    assert own["value.l0-0"] == "50.000.000"
    assert "tag.0" in more
    tier = await stored_tier(redis)
    assert tier["levels"][0]["when"] == {
        "all": [
            {"field": "total_spent", "op": "at_least", "value": 5_000_000},
            {"field": "orders_count", "op": "at_least", "value": 4},
        ]
    }
    assert bars(answer.text)[0] == "3"  # 9, 14 and 19
    assert 'id="count-l0-1" data-hx-swap-oob="true">Còn lại 3 khách hàng' in answer.text
    assert form_of(await lan.get(path))["shape"] == "own"


async def test_back_to_one_number_keeps_the_thresholds_of_it(lan: Visitor, redis: RedisClient) -> None:
    path = await new_rule(lan, "tier")
    own = form_of(await partial(lan, path, form_of(await lan.get(path)) | {"mode": "own"}))

    ladder = form_of(await partial(lan, path, own | {"mode": "ladder", "field": "total_spent"}))

    assert [ladder[f"threshold.{index}"] for index in range(3)] == ["50.000.000", "20.000.000", "5.000.000"]
    assert ladder_field((await stored_tier(redis))["levels"]) == "total_spent"


async def test_an_error_stands_at_its_level_and_the_draft_is_kept(lan: Visitor, redis: RedisClient) -> None:
    path = await new_rule(lan, "tier")
    fields = form_of(await lan.get(path))

    answer = await partial(lan, path, fields | {"threshold.1": "nhiều", "tag.2": "", "part": "panel"})

    assert re.search(r'id="threshold-1-error" data-hx-swap-oob="true">Hãy nhập số tiền', answer.text)
    assert '<a href="#threshold-1">' in answer.text
    assert '<a href="#tag-2">' in answer.text
    assert (await stored_tier(redis))["levels"][1]["when"]["value"] == "nhiều"


@pytest.mark.parametrize(
    ("do", "tags", "focus"),
    [
        ("level_add", ["Gold", "Silver", "Bronze", ""], "tag-3"),
        ("level_del:1", ["Gold", "Bronze"], "level_del-1"),
        ("level_up:2", ["Gold", "Bronze", "Silver"], "level_up-1"),
        ("level_down:0", ["Silver", "Gold", "Bronze"], "level_down-1"),
        ("level_up:0", ["Gold", "Silver", "Bronze"], ""),
        ("level_del:9", ["Gold", "Silver", "Bronze"], ""),
    ],
)
def test_a_button_changes_the_levels_and_names_what_to_focus(do: str, tags: list[str], focus: str) -> None:
    entry = dict(NEW_TIER)

    assert change_levels(entry, do) == focus
    assert [level["tag"] for level in entry["levels"]] == tags


def test_a_new_level_with_own_conditions_begins_with_the_same_field() -> None:
    when = {"any": [{"field": "orders_count", "op": "at_least", "value": 3}]}
    entry = {"levels": [{"tag": "A", "when": when}]}

    change_levels(entry, "level_add")

    assert entry["levels"][1]["when"] == {"all": [{"field": "orders_count", "op": "at_least", "value": None}]}


def test_a_form_without_levels_leaves_them_as_they_are() -> None:
    entry, _ = read_tier(
        FormData({"name": "Hạng", "downgrade": "after", "downgrade_days": "90"}), NEW_TIER, ""
    )

    assert entry["levels"] == NEW_TIER["levels"]
    assert entry["downgrade"] == {"after": "90 days"}


async def test_the_moves_between_levels_are_counted_with_those_that_wait(
    lan: Visitor, shops: ShopRepository
) -> None:
    path = await new_rule(lan, "tier")

    answer = await lan.get(path.replace("/edit", "/moves"))

    assert "Khách sẽ chuyển hạng" in answer.text
    assert "không hạng → Silver" in answer.text
    assert f"/shops/{ORG}/customers/20" in answer.text


async def test_moves_of_both_kinds_share_a_cell(shops: ShopRepository) -> None:
    shop: Shop = await shops.get_or_raise(ORG)
    preview = TierPreview(
        "hang",
        ("Gold", "Silver"),
        (TierMove("Gold", None, 2, False, (1, 2)), TierMove("Gold", None, 3, True, (4, 5, 6))),
        (0, 0, 0),
    )

    moves = make_moves(shop, "hang", (preview, {}))

    assert moves.rows is not None
    [row] = moves.rows
    assert (row.source, row.cells[2].customers, row.cells[2].waiting, row.cells[2].is_down) == (
        "Gold",
        5,
        3,
        True,
    )
