"""A rule as YAML and as a form are the same draft; a text with errors changes nothing and says where they are."""

from __future__ import annotations

import html
import re

import httpx2

from service.publishing.editor import SourceError
from service.store import working_copies
from service.store.client import RedisClient
from service.web.pages.editors import show_errors
from tests.support.shop import ORG
from tests.support.visitors import Visitor, location
from tests.web.pages.editors.test_editing import RULES, figures, form_of, new_rule, partial


def text_of(answer: httpx2.Response) -> str:
    """The YAML that the page shows."""
    [text] = re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", answer.text, re.DOTALL)
    return html.unescape(text)


def yaml_path(path: str) -> str:
    return path.replace("/edit", "/yaml")


async def test_what_the_form_says_is_in_the_yaml_and_back(lan: Visitor) -> None:
    path = await new_rule(lan)
    await lan.post(path, **form_of(await lan.get(path)) | {"value.n-0": "7tr"})
    page = await lan.get(yaml_path(path))
    text = text_of(page)

    saved = await lan.post(
        yaml_path(path), **form_of(page) | {"text": text.replace("7_000_000", "8_000_000")}
    )

    assert "value: 7_000_000" in text
    assert "keep" not in text  # what is as it is by default is not written
    assert location(saved) == yaml_path(path)
    assert form_of(await lan.get(path))["value.n-0"] == "8.000.000"


async def test_a_text_with_errors_is_refused_with_line_and_column_and_kept_as_it_is(
    lan: Visitor, redis: RedisClient
) -> None:
    path = await new_rule(lan)
    page = await lan.get(yaml_path(path))
    before = await working_copies.load(redis, ORG)
    wrong = (
        text_of(page).replace("total_spent", "total_spend").replace("tag: VIP\n", "tag: VIP\ncolour: red\n")
    )

    refused = await lan.post(yaml_path(path), **form_of(page) | {"text": wrong, "next": "form"})

    assert refused.status_code == 422
    assert text_of(refused) == wrong
    assert re.findall(r'data-line="(\d+)" data-column="(\d+)"', refused.text) == [("4", "1"), ("7", "13")]
    assert "có phải ý bạn là &#39;total_spent&#39;" in refused.text
    assert "<mark>total_spend</mark>" in refused.text
    assert await working_copies.load(redis, ORG) == before


async def test_typing_yaml_saves_it_and_shows_its_effect(lan: Visitor) -> None:
    path = await new_rule(lan)
    page = await lan.get(yaml_path(path))
    text = text_of(page)

    answer = await partial(
        lan, yaml_path(path), form_of(page) | {"text": text.replace("5_000_000", "15_000_000")}
    )
    wrong = await partial(lan, yaml_path(path), form_of(page) | {"text": "tag: ["})

    assert figures(answer)[0] == "6"
    assert (answer.status_code, wrong.status_code) == (200, 422)
    assert "<textarea" not in answer.text
    assert figures(wrong)[0] == "6"  # the draft is as before


async def test_a_saved_text_that_says_the_same_leaves_the_rule_unchanged(
    lan: Visitor, redis: RedisClient
) -> None:
    path = await new_rule(lan)
    page = await lan.get(yaml_path(path))
    before = await working_copies.load(redis, ORG)

    await lan.post(yaml_path(path), **form_of(page) | {"text": text_of(page)})

    assert await working_copies.load(redis, ORG) == before


async def test_the_id_stays(lan: Visitor) -> None:
    path = await new_rule(lan)
    page = await lan.get(yaml_path(path))

    refused = await lan.post(
        yaml_path(path), **form_of(page) | {"text": text_of(page).replace("id: vip", "id: other")}
    )

    assert refused.status_code == 422
    assert "id của quy tắc không đổi được" in refused.text


async def test_an_invalid_draft_is_shown_as_it_was_typed(lan: Visitor) -> None:
    path = await new_rule(lan)
    await lan.post(path, **form_of(await lan.get(path)) | {"value.n-0": "mười triệu"})

    assert "value: mười triệu" in text_of(await lan.get(yaml_path(path)))


async def test_switching_to_yaml_takes_the_form_along(lan: Visitor) -> None:
    path = await new_rule(lan)

    switched = await lan.post(path, **form_of(await lan.get(path)) | {"value.n-0": "9tr", "next": "yaml"})

    assert location(switched) == yaml_path(path)
    assert "9_000_000" in text_of(await lan.get(yaml_path(path)))


async def test_a_tier_is_yaml_as_well(lan: Visitor) -> None:
    path = await new_rule(lan, "tier")
    page = await lan.get(yaml_path(path))

    await lan.post(yaml_path(path), **form_of(page) | {"text": text_of(page).replace("Gold", "Vàng")})

    assert form_of(await lan.get(path))["tag.0"] == "Vàng"
    assert (await lan.get(RULES)).status_code == 200


def test_an_error_shows_the_wrong_word_within_its_line() -> None:
    line = "    - {field: total_spend, op: at_least, value: 10_000_000, and: a very long end of this line}"

    [shown] = show_errors((SourceError(6, 15, "unknown", line),))

    assert (shown.before, shown.wrong) == ("- {field: ", "total_spend")
    assert shown.after.endswith("…")
