"""The editor keeps what is typed, shows what it would do, and lets nobody overwrite somebody else."""

from __future__ import annotations

import html
import re

import httpx2
import pytest

from service.store import working_copies
from service.store.client import RedisClient
from tests.support.shop import ORG
from tests.support.visitors import BASE_URL, SAME_ORIGIN, Visitor, location

RULES = f"/shops/{ORG}/rules"


async def new_rule(visitor: Visitor, template: str = "vip") -> str:
    """The path of the editor of a new rule."""
    return location(await visitor.post(f"{RULES}/new", template=template))


def form_of(answer: httpx2.Response) -> dict[str, str]:
    """The fields of the editor's form, with their values; the last one of a name counts."""
    [form] = re.findall(r'<form class="split" id="rule".*?</form>', answer.text, re.DOTALL)
    fields = {}
    for tag in re.findall(r"<input [^>]*>", form, re.DOTALL):
        found = dict(re.findall(r'\s([\w-]+)="([^"]*)"', tag))
        is_off = found.get("type") in ("radio", "checkbox") and " checked" not in tag
        if "name" in found and not is_off:
            fields[found["name"]] = found.get("value", "")
    for name, options in re.findall(r'<select[^>]* name="([^"]+)".*?>(.*?)</select>', form, re.DOTALL):
        fields[name] = re.findall(r'value="([^"]*)" selected', options)[0]
    return fields


async def partial(visitor: Visitor, path: str, fields: dict[str, str]) -> httpx2.Response:
    """A POST as htmx sends it."""
    data = {"form_token": visitor.secret.form_token} | fields
    headers = visitor.headers() | SAME_ORIGIN | {"HX-Request": "true"}
    return await visitor.client.post(f"{BASE_URL}{path}", data=data, headers=headers)


def figures(answer: httpx2.Response) -> list[str]:
    return re.findall(r"<dd[^>]*>([^<]*)</dd>", answer.text)[-3:]


async def test_a_template_opens_as_a_rule_with_its_effect(lan: Visitor) -> None:
    answer = await lan.get(await new_rule(lan))

    assert answer.status_code == 200
    assert "Tổng chi tiêu từ 5.000.000 ₫ trở lên" in answer.text
    assert figures(answer) == ["16", "+16", "0"]


@pytest.mark.parametrize("typed", ["10tr", "10.000.000", "10 triệu", "10000000"])
async def test_typing_changes_the_numbers_and_not_the_form(lan: Visitor, typed: str) -> None:
    path = await new_rule(lan)
    fields = form_of(await lan.get(path))

    answer = await partial(lan, path, fields | {"value.n-0": typed, "part": "panel"})

    assert figures(answer) == ["11", "+11", "0"]
    assert "Tổng chi tiêu từ 10.000.000 ₫ trở lên" in answer.text
    assert 'name="value.n-0"' not in answer.text
    assert "Còn lại 11 khách hàng" in answer.text


async def test_an_invalid_draft_is_kept_and_its_error_leads_to_the_field(lan: Visitor) -> None:
    path = await new_rule(lan)
    fields = form_of(await lan.get(path))

    await lan.post(path, **fields | {"value.n-0": "mười triệu"})
    answer = await lan.get(path)

    assert 'value="mười triệu"' in answer.text
    assert 'href="#value-n-0"' in answer.text
    assert "Còn 1 chỗ cần sửa" in answer.text
    assert form_of(answer)["value.n-0"] == "mười triệu"


async def test_without_javascript_a_button_adds_a_condition_and_leads_to_it(lan: Visitor) -> None:
    path = await new_rule(lan)
    fields = form_of(await lan.get(path))

    added = await lan.post(path, **fields | {"do": "add:n"})
    answer = await lan.get(path)

    assert location(added) == f"{path}#field-n-1"
    assert form_of(answer)["kind.n-1"] == "condition"


async def test_another_field_brings_its_operators_and_the_values_of_the_shop(lan: Visitor) -> None:
    path = await new_rule(lan)
    fields = form_of(await lan.get(path))

    answer = await partial(lan, path, fields | {"field.n-0": "province", "part": "form"})

    assert '<option value="is" selected>' in answer.text
    assert '<option value="Hồ Chí Minh">Hồ Chí Minh (8 khách)</option>' in answer.text


async def test_a_group_inside_another_counts_what_both_say(lan: Visitor) -> None:
    path = await new_rule(lan)
    fields = form_of(await lan.get(path))
    fields = form_of(await partial_page(lan, path, fields | {"do": "group:n"}))

    answer = await partial(
        lan,
        path,
        fields
        | {"field.n-1-0": "orders_count", "op.n-1-0": "at_least", "was.n-1-0": "orders_count:at_least"}
        | {"value.n-1-0": "4", "part": "panel"},
    )

    assert "VÀ" in answer.text
    assert figures(answer)[0] == "3"


async def partial_page(visitor: Visitor, path: str, fields: dict[str, str]) -> httpx2.Response:
    """Press a button without JavaScript, and load the page that it leads to."""
    await visitor.post(path, **fields)
    return await visitor.get(path)


async def test_two_people_in_one_rule_see_both_versions_and_neither_is_lost(
    lan: Visitor, minh: Visitor
) -> None:
    path = await new_rule(lan)
    of_lan, of_minh = form_of(await lan.get(path)), form_of(await minh.get(path))
    await minh.post(path, **of_minh | {"value.n-0": "7tr"})

    refused = await lan.post(path, **of_lan | {"value.n-0": "9tr"})
    forced = await lan.post(path, **of_lan | {"value.n-0": "9tr", "force": "1"})

    assert refused.status_code == 409
    assert "từ 9.000.000 ₫" in refused.text
    assert "từ 7.000.000 ₫" in refused.text
    assert forced.status_code == 303
    assert form_of(await minh.get(path))["value.n-0"] == "9.000.000"


async def test_two_people_in_two_rules_do_not_disturb_each_other(lan: Visitor, minh: Visitor) -> None:
    one, other = await new_rule(lan), await new_rule(lan, "dormant")
    of_lan, of_minh = form_of(await lan.get(one)), form_of(await minh.get(other))

    await minh.post(other, **of_minh | {"tag": "Lâu rồi"})
    saved = await lan.post(one, **of_lan | {"tag": "Quý"})

    assert saved.status_code == 303
    page = (await lan.get(RULES)).text
    assert ">Quý<" in page
    assert ">Lâu rồi<" in page


async def test_the_same_form_may_save_again_after_an_answer_was_lost(lan: Visitor) -> None:
    path = await new_rule(lan)
    fields = form_of(await lan.get(path))

    await partial(lan, path, fields | {"value.n-0": "6tr", "part": "panel"})
    again = await partial(lan, path, fields | {"value.n-0": "7tr", "part": "panel"})

    assert again.status_code == 200
    assert figures(again)[0] == "14"


async def test_undo_goes_back_step_by_step(lan: Visitor, redis: RedisClient) -> None:
    path = await new_rule(lan)
    fields = form_of(await lan.get(path))
    await lan.post(path, **fields | {"value.n-0": "6tr"})

    await lan.post(f"/shops/{ORG}/rules/draft/undo", rule="vip")

    assert form_of(await lan.get(path))["value.n-0"] == "5.000.000"
    copy = await working_copies.load(redis, ORG)
    assert copy is not None
    assert copy.rev == 3


async def test_a_rule_is_tried_on_one_customer(lan: Visitor) -> None:
    path = (await new_rule(lan)).replace("/edit", "/try")

    matching, other = await lan.post(path, customer="12"), await lan.post(path, customer="3")
    unknown = await lan.post(path, customer="999")

    assert "12.000.000 ₫" in matching.text
    assert "thiếu" in other.text or "2.000.000 ₫" in other.text
    assert unknown.status_code == 422
    assert "Chưa có dữ liệu" in unknown.text


async def test_other_spellings_that_customers_have_are_offered_with_their_numbers(
    lan: Visitor, redis: RedisClient
) -> None:
    path = await new_rule(lan, "province")
    fields = form_of(await lan.get(path)) | {"value.n-0": "hồ chí minh"}

    answer = await partial(lan, path, fields | {"part": "panel"})
    do = html.unescape(re.findall(r'name="do" value="(take:[^"]*TP[^"]*)"', answer.text)[0])
    taken = await partial(lan, path, fields | {"part": "form", "do": do})

    assert "hồ chí minh: 8 khách" in answer.text
    assert "+ TP. Hồ Chí Minh (4 khách)" in answer.text
    assert await values(redis) == ["hồ chí minh", "TP. Hồ Chí Minh"]
    assert "TP. Hồ Chí Minh: 4 khách" in taken.text


async def test_a_value_that_nobody_has_is_replaced_by_the_one_that_was_meant(
    lan: Visitor, redis: RedisClient
) -> None:
    path = await new_rule(lan, "province")
    fields = form_of(await lan.get(path)) | {"value.n-0": "da nang"}

    answer = await partial(lan, path, fields | {"part": "panel"})
    [do] = map(html.unescape, re.findall(r'name="do" value="(take:[^"]*)"', answer.text))
    await partial(lan, path, fields | {"part": "form", "do": do})

    assert "da nang: không khách nào có" in answer.text
    assert await values(redis) == ["Đà Nẵng"]


async def values(redis: RedisClient) -> object:
    copy = await working_copies.load(redis, ORG)
    assert copy is not None
    return copy.document["rules"][0]["when"]["all"][0]["value"]
