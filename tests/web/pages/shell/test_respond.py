"""What happens to a request before and after its handler: errors, languages, notices, forms of earlier sessions."""

from __future__ import annotations

import httpx2
import pytest
import structlog
from structlog.testing import capture_logs

from service.domain.access import Role
from service.store.access import sessions
from service.store.client import RedisClient, keys
from service.web.pages.shell.respond import MAX_FORM_BYTES
from tests.support.shop import ORG
from tests.support.visitors import BASE_URL, SAME_ORIGIN, Visitor, heading, location, visit_as


async def test_what_was_typed_survives_a_session_that_ended(owner: Visitor, redis: RedisClient) -> None:
    await sessions.remove_all(redis, "owner")

    answer = await owner.post(f"/shops/{ORG}/pause", reason='Tết "2027"', old_password="secret-word")

    assert answer.status_code == 401
    assert heading(answer) == "Phiên đăng nhập đã hết"
    assert 'name="reason" value="Tết &#34;2027&#34;"' in answer.text
    assert "secret-word" not in answer.text


async def test_a_form_of_an_earlier_session_is_sent_again_by_one_click(owner: Visitor) -> None:
    answer = await owner.post(f"/shops/{ORG}/pause", reason="Tết 2027", form_token="0" * 64)

    assert answer.status_code == 403
    assert f'action="/shops/{ORG}/pause"' in answer.text
    assert 'name="reason" value="Tết 2027"' in answer.text
    assert f'name="form_token" value="{owner.secret.form_token}"' in answer.text


async def test_htmx_gets_a_toast_instead_of_a_page(owner: Visitor, redis: RedisClient) -> None:
    missing = await owner.get("/shops/999/strip", HX_Request="true")
    await sessions.remove_all(redis, "owner")
    over = await owner.get(f"/shops/{ORG}/strip", HX_Request="true")

    assert (missing.status_code, over.status_code) == (404, 401)
    for answer in (missing, over):
        assert answer.headers["hx-retarget"] == "#toasts"
        assert 'role="alert"' in answer.text
        assert "<html" not in answer.text
    assert "data-session-over" in over.text


async def test_htmx_is_told_where_a_change_leads(owner: Visitor) -> None:
    headers = owner.headers(HX_Request="true") | SAME_ORIGIN
    data = {"form_token": owner.secret.form_token, "reason": "thử"}

    answer = await owner.client.post(f"{BASE_URL}/shops/{ORG}/pause", data=data, headers=headers)

    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, f"/shops/{ORG}")


async def test_a_notice_is_shown_once(owner: Visitor) -> None:
    changed = await owner.post(f"/shops/{ORG}/pause", reason="thử")
    notice = next(
        each for each in changed.headers.get_list("set-cookie") if each.startswith("__Host-notice=")
    )
    cookie = {"Cookie": f"{owner.headers()['Cookie']}; {notice.partition(';')[0]}"}

    shown = await owner.client.get(f"{BASE_URL}/shops/{ORG}", headers=cookie)

    assert "Một đang tạm dừng." in shown.text
    assert '__Host-notice=""; ' in "\n".join(shown.headers.get_list("set-cookie"))


@pytest.mark.parametrize(
    "notice", ["x", "W10=", "WyJwYWdlLmJyYW5kIiwge31d", "WyJub3RpY2UucGF1c2VkIiwge31d", "ü"]
)
async def test_a_made_up_notice_is_not_shown(owner: Visitor, notice: str) -> None:
    cookie = f"{owner.headers()['Cookie']}; __Host-notice={notice}".encode("latin-1")

    answer = await owner.client.get(f"{BASE_URL}/shops", headers=[(b"Cookie", cookie)])

    assert answer.status_code == 200
    assert "data-leaves" not in answer.text


async def test_the_language_is_kept_in_a_cookie_and_the_rest_of_the_address_stays(owner: Visitor) -> None:
    unknown = await owner.client.get(f"{BASE_URL}/login?lang=fr")
    english = await owner.client.get(f"{BASE_URL}/login", headers={"Cookie": "__Host-lang=en"})
    switched = await owner.get(f"/shops/{ORG}/audit?before=7&lang=en")

    assert location(switched) == f"/shops/{ORG}/audit?before=7"
    assert "__Host-lang=en; " in switched.headers["set-cookie"]
    assert heading(english) == "Sign in"
    assert (unknown.status_code, heading(unknown)) == (200, "Đăng nhập")


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        pytest.param(b"a=" + b"x" * MAX_FORM_BYTES, {}, 413, id="too large"),
        pytest.param(b"&".join(b"a=1" for _ in range(6000)), {}, 400, id="too many fields"),
        pytest.param(b"--x", {"Content-Type": "multipart/form-data"}, 400, id="no boundary"),
    ],
)
async def test_a_form_beyond_its_limits_is_refused(
    owner: Visitor, content: bytes, headers: dict[str, str], status: int
) -> None:
    sent = {"Content-Type": "application/x-www-form-urlencoded"} | headers | owner.headers() | SAME_ORIGIN

    answer = await owner.client.post(f"{BASE_URL}/shops/{ORG}/pause", content=content, headers=sent)

    assert answer.status_code == status
    assert heading(answer)


async def test_a_refusal_of_the_service_is_a_page_in_the_readers_language(owner: Visitor) -> None:
    answer = await owner.post("/users/owner/remove")
    missing = await owner.post("/tokens/nobody/revoke")

    assert answer.status_code == 422
    assert heading(missing) == "Không tìm thấy"
    assert '<p class="hint">không có token' in missing.text


async def test_without_the_store_a_page_says_so(owner: Visitor, redis: RedisClient) -> None:
    await redis.delete(keys.partition_key(ORG, "shops"))
    await redis.set(keys.partition_key(ORG, "shops"), "not a set")

    answer = await owner.get("/shops")

    assert answer.status_code == 503
    assert heading(answer) == "Hệ thống chưa sẵn sàng"


async def test_the_log_names_user_and_page_and_no_address(
    client: httpx2.AsyncClient, redis: RedisClient
) -> None:
    visitor = await visit_as(client, redis, Role.VIEWER, name="lan")
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        await visitor.get("/shops")

    [line] = [line for line in logs if line["event"] == "http_request"]
    assert (line["by"], line["operation"], line["status"]) == ("lan", "show_shops", 200)
    assert "@" not in str(line)


async def test_a_path_that_does_not_exist_is_a_page_for_browsers_and_a_problem_for_programs(
    owner: Visitor,
) -> None:
    browser = await owner.get("/no/such/page", Accept="text/html,*/*")
    nobody = await owner.client.get(f"{BASE_URL}/typo", headers={"Accept": "text/html"})
    programs = [await owner.get("/no/such/page"), await owner.get("/ops/v1/typo", Accept="text/html")]

    assert (browser.status_code, heading(browser)) == (404, "Không tìm thấy")
    assert 'class="topbar"' in browser.text
    assert "content-security-policy" in browser.headers
    assert (nobody.status_code, heading(nobody)) == (404, "Không tìm thấy")
    for answer in programs:
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
