"""A customer is found by id, tag, name, e-mail and phone as far as stored; names and contacts are for marketers."""

from __future__ import annotations

import re

import pytest

from service.domain.access import Role
from service.store.client import RedisClient
from tests.support.history import add_entry
from tests.support.shop import ORG
from tests.support.visitors import Visitor, location
from tests.web.pages.conftest import VisitAs

PATH = f"/shops/{ORG}/customers"


async def found(visitor: Visitor, text: str) -> list[int]:
    answer = await visitor.post(PATH, q=text)
    assert answer.status_code == 200
    return [int(each) for each in re.findall(rf'href="{PATH}/([0-9]+)"', answer.text)]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("text", "customers"),
    [
        pytest.param("le dung", [1], id="a name without diacritics"),
        pytest.param("Dũng Lê", [1], id="first name first"),
        pytest.param("đào", [2], id="a part of a name"),
        pytest.param("dao", [2], id="d for đ"),
        pytest.param("DUNG.LE@", [1], id="a part of an e-mail"),
        pytest.param("0912 345 678", [1], id="a phone as people write it"),
        pytest.param("+84987654321", [2], id="an international phone"),
        pytest.param("khách sỉ", [1, 3], id="a tag in any case"),
        pytest.param("khách", [], id="a part of a tag"),
        pytest.param("Nguyễn", [], id="nobody"),
    ],
)
async def test_marketers_find_what_is_stored(visitor_of: VisitAs, text: str, customers: list[int]) -> None:
    assert await found(await visitor_of(Role.MARKETER), text) == customers


@pytest.mark.usefixtures("people")
async def test_viewers_find_ids_and_tags_and_see_no_name(visitor_of: VisitAs) -> None:
    viewer = await visitor_of(Role.VIEWER)

    assert await found(viewer, "le dung") == []
    assert await found(viewer, "dung.le") == []
    assert await found(viewer, "0912345678") == []
    assert await found(viewer, "Khách sỉ") == [1, 3]
    assert "Dũng" not in (await viewer.post(PATH, q="VIP")).text


@pytest.mark.usefixtures("people")
async def test_a_marketer_sees_names_and_masked_contacts(visitor_of: VisitAs) -> None:
    page = (await (await visitor_of(Role.MARKETER)).post(PATH, q="le dung")).text

    assert "Lê Dũng" in page
    assert "•••678 · d•••@example.com" in page
    assert "912345678" not in page


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("text", ["2", "#2"])
async def test_a_known_id_leads_to_the_customer(owner: Visitor, text: str) -> None:
    assert location(await owner.post(PATH, q=text)) == f"{PATH}/2"


@pytest.mark.usefixtures("people")
async def test_digits_that_nobody_has_stand_in_no_address_unless_somebody_opens_them(owner: Visitor) -> None:
    answer = await owner.post(PATH, q="84900000000")

    assert answer.status_code == 200
    assert "Không tìm thấy khách hàng nào" in answer.text
    assert f'href="{PATH}/84900000000"' in answer.text


@pytest.mark.parametrize("text", ["", " ", "a", "x" * 101])
async def test_a_text_that_is_too_short_or_long_is_not_searched(owner: Visitor, text: str) -> None:
    answer = await owner.post(PATH, q=text)

    assert answer.status_code == 422
    assert "Nhập từ 2 đến 100 ký tự." in answer.text


async def test_before_a_search_the_last_changes_are_there(owner: Visitor, redis: RedisClient) -> None:
    await add_entry(redis, 7, "+VIP", at_ms=1_700_000_000_000)

    page = (await owner.get(PATH)).text

    assert f'href="{PATH}/7"' in page
    assert "+VIP" in page
