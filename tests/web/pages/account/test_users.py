"""Users: the forms, what is wrong in them, and the link that is shown once."""

from __future__ import annotations

import re

import pytest

from service.domain.access import Role
from service.store.access import users
from service.store.client import RedisClient
from tests.support.shop import ORG, OTHER_ORG
from tests.support.visitors import SAME_ORIGIN, Visitor

FORM = {"name": "an", "email": "an@example.com", "role": "marketer"}


async def test_a_new_user_gets_a_link_that_signs_in(owner: Visitor, redis: RedisClient) -> None:
    answer = await owner.post("/users/new", **FORM, reach="some", shops=[ORG, "999"])

    user = await users.find(redis, "an")
    assert user is not None
    assert (user.role, user.shops, user.created_by) == (Role.MARKETER, (ORG,), "owner")
    [(url, secret)] = re.findall(r'value="(https://testserver/sign-in)\?key=(\w+)"', answer.text)
    used = await owner.client.post(url, data={"key": secret}, headers=SAME_ORIGIN)
    assert used.status_code == 303
    assert secret not in (await owner.get("/users")).text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": "Lan Anh"}, "Tên chỉ gồm chữ không dấu"),
        ({"name": "owner"}, "Đã có người dùng với tên này."),
        ({"email": "an"}, "Đây không phải địa chỉ e-mail."),
        ({"email": "OWNER@example.com"}, "Đã có người dùng với e-mail này."),
        ({"reach": "some"}, "Hãy chọn ít nhất một cửa hàng."),
    ],
)
async def test_a_wrong_form_keeps_what_was_typed_and_says_why(
    owner: Visitor, redis: RedisClient, fields: dict[str, str], text: str
) -> None:
    form = FORM | fields

    answer = await owner.post("/users/new", **form)

    assert answer.status_code == 422
    assert text in answer.text
    assert f'value="{form["email"]}"' in answer.text
    assert [user.name for user in await users.list_all(redis)] == ["owner"]


async def test_an_unknown_role_is_the_least(owner: Visitor, redis: RedisClient) -> None:
    await owner.post("/users/new", **FORM | {"role": "root"})

    user = await users.find(redis, "an")
    assert user is not None
    assert user.role is Role.VIEWER


async def test_the_last_owner_stays_and_nobody_removes_themselves(owner: Visitor, redis: RedisClient) -> None:
    lower = await owner.post("/users/owner", role="ops")
    fewer = await owner.post("/users/owner", role="owner", reach="some", shops=OTHER_ORG)
    removed = await owner.post("/users/owner/remove")

    assert (lower.status_code, fewer.status_code, removed.status_code) == (422, 422, 422)
    assert "Đây là chủ duy nhất" in lower.text
    assert "Bạn không thể tự xóa mình" in removed.text
    assert await users.find(redis, "owner") is not None


async def test_a_new_role_counts_from_the_next_request(owner: Visitor, redis: RedisClient) -> None:
    await owner.post("/users/new", **FORM | {"role": "owner"})
    await owner.post("/users/owner", role="viewer")

    assert (await owner.get("/users")).status_code == 403


async def test_an_unknown_user_is_not_found(owner: Visitor) -> None:
    for path in ("/users/nobody", "/users/%00", "/users/" + "x" * 2000):
        assert (await owner.get(path)).status_code == 404
