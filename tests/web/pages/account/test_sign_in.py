"""Signing in: the cookie, the way back, wrong passwords, links."""

from __future__ import annotations

import httpx2
import pytest
from structlog.testing import capture_logs

from service.domain.access import Role, create_secret, hash_password
from service.store.access import sessions
from service.store.client import RedisClient
from service.web.authentication.failures import MAX_FAILURES
from tests.support.visitors import BASE_URL, COOKIE, SAME_ORIGIN, Visitor, heading, location, store_user

PASSWORD = "mật khẩu rất dài"


@pytest.fixture
async def user(redis: RedisClient) -> str:
    """The address of a user with a password."""
    hashed = hash_password(PASSWORD, salt=bytes(16))
    return (await store_user(redis, Role.MARKETER, name="lan", password=hashed)).email


async def post(client: httpx2.AsyncClient, path: str, **fields: str) -> httpx2.Response:
    return await client.post(f"{BASE_URL}{path}", data=fields, headers=SAME_ORIGIN)


async def test_the_right_password_sets_a_cookie_for_this_host_only_and_leads_back(
    client: httpx2.AsyncClient, user: str
) -> None:
    answer = await post(client, "/login", email=user, password=PASSWORD, next="/shops/1/rules?a=1")

    cookie = answer.headers["set-cookie"]
    assert (answer.status_code, location(answer)) == (303, "/shops/1/rules?a=1")
    assert cookie.startswith(f"{COOKIE}=lan_")
    assert {"Max-Age=604800", "HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= {*cookie.split("; ")}
    assert "Domain" not in cookie


@pytest.mark.parametrize("next_path", ["https://evil.example", "//evil.example", "/\\evil.example"])
async def test_the_way_back_stays_here(client: httpx2.AsyncClient, user: str, next_path: str) -> None:
    answer = await post(client, "/login", email=user, password=PASSWORD, next=next_path)

    assert location(answer) == "/"


async def test_a_wrong_password_and_an_unknown_address_look_the_same(
    client: httpx2.AsyncClient, user: str
) -> None:
    wrong = await post(client, "/login", email=user, password="wrong", next="/")
    unknown = await post(client, "/login", email="nobody@example.com", password="wrong", next="/")

    assert (wrong.status_code, unknown.status_code) == (422, 422)
    assert wrong.text.replace(user, "") == unknown.text.replace("nobody@example.com", "")
    assert "E-mail hoặc mật khẩu không đúng." in wrong.text
    assert "set-cookie" not in wrong.headers


async def test_after_ten_wrong_passwords_even_the_right_one_waits(
    client: httpx2.AsyncClient, user: str
) -> None:
    for _ in range(MAX_FAILURES):
        await post(client, "/login", email=user, password="wrong")

    answer = await post(client, "/login", email=user, password=PASSWORD)

    assert answer.status_code == 429
    assert "Hãy đợi" in answer.text


async def test_somebody_who_is_signed_in_goes_on_at_once(owner: Visitor) -> None:
    assert location(await owner.get("/login?next=/shops")) == "/shops"


async def test_looking_at_a_link_does_not_use_it_up(
    client: httpx2.AsyncClient, redis: RedisClient, user: str
) -> None:
    secret = create_secret("lan", random=b"\x01" * 32)
    await sessions.add_link(redis, secret)

    looked = await client.get(f"{BASE_URL}/sign-in?key={secret.text}")
    used = await post(client, "/sign-in", key=secret.text)
    again = await post(client, "/sign-in", key=secret.text)

    assert heading(looked) == "Đăng nhập bằng liên kết"
    assert (used.status_code, location(used)) == (303, "/profile")
    assert f"{COOKIE}=lan_" in used.headers["set-cookie"]
    assert again.status_code == 422
    assert "Liên kết này đã dùng rồi" in again.text


@pytest.mark.parametrize("key", ["", "x", f"lan_{'0' * 64}", f"nobody_{'0' * 64}"])
async def test_a_wrong_link_is_refused(client: httpx2.AsyncClient, user: str, key: str) -> None:
    assert (await post(client, "/sign-in", key=key)).status_code == 422


async def test_no_log_line_has_a_password_an_address_or_a_link(
    client: httpx2.AsyncClient, redis: RedisClient, user: str
) -> None:
    secret = create_secret("lan", random=b"\x01" * 32)
    await sessions.add_link(redis, secret)
    with capture_logs() as logs:
        await post(client, "/login", email=user, password="wrong-password")
        await client.get(f"{BASE_URL}/sign-in?key={secret.text}")
        await post(client, "/sign-in", key=secret.text)

    assert logs
    for canary in (user, "wrong-password", secret.text):
        assert canary not in str(logs)
