"""The own account: a new password, and the list of sessions."""

from __future__ import annotations

import httpx2
import pytest

from service.domain.access import Role, hash_password
from service.store.client import RedisClient
from service.web.pages.account.agents import describe_agent
from tests.support.visitors import Visitor, location, visit_as

PASSWORD = "mật khẩu rất dài"
NEW = "một mật khẩu khác"


@pytest.fixture
async def lan(client: httpx2.AsyncClient, redis: RedisClient) -> Visitor:
    """A visitor with a password."""
    hashed = hash_password(PASSWORD, salt=bytes(16))
    return await visit_as(client, redis, Role.VIEWER, name="lan", password=hashed)


async def test_a_new_password_needs_the_old_one_and_begins_a_new_session(lan: Visitor) -> None:
    answer = await lan.post("/profile/password", old_password=PASSWORD, new_password=NEW, again_password=NEW)

    assert (answer.status_code, location(answer)) == (303, "/profile")
    assert lan.secret.text not in answer.headers["set-cookie"]
    assert (await lan.get("/profile")).status_code == 303  # the session from before has ended


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"old_password": "wrong"}, "Mật khẩu hiện tại không đúng."),
        ({}, "Mật khẩu hiện tại không đúng."),
        ({"old_password": PASSWORD, "again_password": "x"}, "Hai lần nhập không giống nhau."),
        ({"old_password": PASSWORD, "new_password": "short"}, "Mật khẩu cần từ 10 ký tự trở lên."),
        ({"old_password": PASSWORD, "new_password": "lan@example.com"}, "không được giống tên hoặc e-mail"),
    ],
)
async def test_a_wrong_form_changes_nothing_and_says_why(
    lan: Visitor, fields: dict[str, str], text: str
) -> None:
    form = {"new_password": NEW, "again_password": NEW} | fields

    answer = await lan.post("/profile/password", **form)

    assert answer.status_code == 422
    assert text in answer.text
    assert NEW not in answer.text
    assert (await lan.get("/profile")).status_code == 200


async def test_after_a_link_the_old_password_is_not_asked_for(
    client: httpx2.AsyncClient, redis: RedisClient
) -> None:
    hashed = hash_password(PASSWORD, salt=bytes(16))
    visitor = await visit_as(client, redis, Role.VIEWER, name="lan", password=hashed, by_link=True)

    page = await visitor.get("/profile")
    answer = await visitor.post("/profile/password", new_password=NEW, again_password=NEW)

    assert "old_password" not in page.text
    assert answer.status_code == 303


async def test_the_sessions_are_listed_with_this_one_marked(lan: Visitor) -> None:
    page = await lan.get("/profile")

    assert "Firefox, Windows" in page.text
    assert "trình duyệt này" in page.text
    assert lan.secret.digest not in page.text


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/146.0 Safari/537.36",
            "Chrome, Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605.1 Version/18 Safari/605.1",
            "Safari, macOS",
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/146.0 Safari/537.36 Edg/146.0", "Edge, Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) coc_coc_browser/120 Chrome/114 Safari/537", "Cốc Cốc, Windows"),
        ("<script>alert(1)</script>", ""),
        ("", ""),
    ],
)
def test_a_browser_is_named_as_people_know_it(agent: str, name: str) -> None:
    assert describe_agent(agent) == name
