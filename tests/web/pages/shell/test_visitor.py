"""Cookies: what a browser may keep, and that a wrong one is no session."""

from __future__ import annotations

import pytest

from service.domain.access import create_secret
from service.store.access.users import keys_of
from service.store.client import RedisClient
from tests.support.shop import ORG
from tests.support.visitors import BASE_URL, Visitor


@pytest.mark.parametrize("value", ["", "x", "owner_00", f"owner_{'0' * 64}", "owner_" + "g" * 64, "a" * 4000])
async def test_a_wrong_session_is_none(owner: Visitor, value: str) -> None:
    answer = await owner.client.get(f"{BASE_URL}/shops", headers={"Cookie": f"__Host-sid={value}"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fshops")


async def test_another_users_name_before_the_digits_is_none(owner: Visitor) -> None:
    digits = owner.secret.text.partition("_")[2]
    forged = create_secret("viewer", random=bytes.fromhex(digits)).text

    answer = await owner.client.get(f"{BASE_URL}/shops", headers={"Cookie": f"__Host-sid={forged}"})

    assert answer.status_code == 303


async def test_an_open_page_that_asks_for_its_strip_does_not_keep_the_session_alive(
    owner: Visitor, redis: RedisClient
) -> None:
    _, uses = keys_of("owner")
    await owner.get(f"/shops/{ORG}/strip", HX_Request="true")
    by_itself = await redis.hgetall(uses)
    await owner.get(f"/shops/{ORG}")

    assert by_itself == {}
    assert list(await redis.hgetall(uses)) == [owner.secret.digest.encode()]


async def test_signing_out_deletes_the_cookie_and_what_the_browser_kept(owner: Visitor) -> None:
    answer = await owner.post("/logout")

    [cookie] = [each for each in answer.headers.get_list("set-cookie") if each.startswith("__Host-sid=")]
    assert "Max-Age=0" in cookie
    assert answer.headers["clear-site-data"] == '"cache"'
    assert (await owner.get("/shops")).status_code == 303
