"""What is done with a rule as a whole says what it means for the tags, and can be undone."""

from __future__ import annotations

import pytest

from service.domain.decisions import OWNERSHIP_CODEC, Ownership
from service.store import working_copies
from service.store.client import RedisClient, keys
from service.store.rules import Versions
from tests.support.shop import ORG
from tests.support.visitors import Visitor, location
from tests.web.pages.editors.test_editing import RULES, form_of, new_rule
from tests.web.pages.publishing.test_history import publish
from tests.web.pages.publishing.test_review import PUBLISH, content_of


async def document(redis: RedisClient) -> dict[str, list[dict[str, object]]]:
    copy = await working_copies.load(redis, ORG)
    assert copy is not None
    return copy.document


async def test_a_duplicate_has_a_name_a_tag_and_an_id_of_its_own(lan: Visitor, redis: RedisClient) -> None:
    path = await new_rule(lan)

    done = await lan.post(path.replace("/edit", "/duplicate"))

    assert location(done) == f"{RULES}/vip-2/edit"
    first, second = (await document(redis))["rules"]
    assert (second["id"], second["name"], second["tag"]) == ("vip-2", "Khách VIP (bản sao)", "VIP (bản sao)")
    assert second["when"] == first["when"]


async def test_a_duplicated_tier_is_valid(lan: Visitor) -> None:
    path = await new_rule(lan, "tier")

    copied = await lan.get(location(await lan.post(path.replace("/edit", "/duplicate"))))

    assert "chỗ cần sửa" not in copied.text
    assert "Gold (bản sao)" in copied.text


@pytest.mark.parametrize(("how", "state"), [("off_remove", "remove"), ("off_keep", "leave")])
async def test_switching_off_says_what_happens_to_the_tags(
    lan: Visitor, redis: RedisClient, how: str, state: str
) -> None:
    path = (await new_rule(lan)).replace("/edit", "/remove")

    await lan.post(path, how=how)

    [rule] = (await document(redis))["rules"]
    assert (rule["enabled"], rule["when_gone"]) == (False, state)
    await lan.post(path, how="on")
    [rule] = (await document(redis))["rules"]
    assert rule["enabled"] is True


async def test_a_deletion_says_how_many_tags_stay(minh: Visitor, redis: RedisClient) -> None:
    owned = OWNERSHIP_CODEC.encode({"vip": Ownership("VIP", "vip", 1, 1)})
    await redis.hset(keys.shop(ORG, "owned"), mapping={"5": owned, "6": owned})
    await publish(minh, "20tr")
    path = f"{RULES}/vip/remove"

    page = await minh.get(path)
    deleted = await minh.post(path, how="delete")

    assert "2 khách hàng đang có nhãn do quy tắc này gắn" in page.text
    assert "Xóa rồi, nhãn ở lại với 2 khách hàng" in page.text
    assert location(deleted) == RULES
    assert (await document(redis))["rules"] == []
    assert "Sẽ xóa" in (await minh.get(RULES)).text


async def test_a_rule_that_was_never_live_leaves_no_tags(lan: Visitor) -> None:
    page = await lan.get((await new_rule(lan)).replace("/edit", "/remove"))

    assert "chưa từng chạy" in page.text
    assert "Không nhãn nào của khách hàng thay đổi" in page.text


async def test_the_history_of_a_rule_has_the_versions_that_changed_it(
    minh: Visitor, redis: RedisClient
) -> None:
    await publish(minh, "20tr")
    path = f"{RULES}/vip/edit"
    await minh.post(path, **form_of(await minh.get(path)) | {"value.n-0": "19tr"})
    await minh.post(PUBLISH, content=content_of(await minh.get(PUBLISH)), note="Hạ mức", approve="1")
    assert await Versions(redis).live_number(ORG) == 2

    page = await minh.get(f"{RULES}/vip/history")

    assert "từ 20.000.000 ₫" in page.text
    assert "từ 19.000.000 ₫" in page.text
    assert page.text.index(">v2<") < page.text.index(">v1<")
    assert (await minh.get(f"{RULES}/nobody/history")).status_code == 404
