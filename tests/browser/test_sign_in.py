"""Signing in as a person does: in both languages, on a desk and on a phone, with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from playwright.sync_api import Browser, expect

from service.domain.access import Role, shell_user
from service.operations import access
from service.store.access import sessions
from tests.browser.site import DESK, PASSWORD, PAST_ORG, PHONE, Site, visiting
from tests.support.shop import ORG

TEXTS: Mapping[str, Mapping[str, str]] = {
    "vi": {
        "wrong": "E-mail hoặc mật khẩu không đúng.",
        "out": "Đăng xuất",
        "done": "Bạn đã đăng xuất.",
        "again": "Gửi lại",
    },
    "en": {
        "wrong": "E-mail or password is wrong.",
        "out": "Sign out",
        "done": "You are signed out.",
        "again": "Send again",
    },
}
SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
LANGUAGES = pytest.mark.parametrize("language", ["vi", "en"])


@SCRIPTS
@SIZES
@LANGUAGES
def test_somebody_signs_in_and_out(
    browser: Browser, site: Site, language: str, size: tuple[int, int], scripts: bool
) -> None:
    texts = TEXTS[language]
    with visiting(browser, site, size=size, language=language, scripts=scripts) as visit:
        visit.go(f"/shops/{ORG}/audit")
        assert visit.path().startswith("/login?next=")
        visit.page.get_by_label("E-mail").fill("owner@example.com")
        visit.page.locator("#password").fill("wrong")
        visit.page.locator("button.primary").click()
        expect(visit.page.get_by_role("alert")).to_have_text(texts["wrong"])
        assert visit.page.get_by_label("E-mail").input_value() == "owner@example.com"

        visit.page.locator("#password").fill(PASSWORD)
        visit.page.locator("button.primary").click()
        expect(visit.page.locator("h1")).to_have_count(1)
        assert visit.path() == f"/shops/{ORG}/audit"
        assert visit.overflow() <= 0

        visit.page.locator("details.menu summary").last.click()
        visit.page.get_by_role("button", name=texts["out"]).click()
        expect(visit.page.get_by_text(texts["done"])).to_be_visible()
        visit.go("/profile")
        assert visit.path().startswith("/login")


def test_a_one_time_link_leads_to_a_password_and_back_in(browser: Browser, site: Site) -> None:
    async def add() -> str:
        by = shell_user("test")
        secret = await access.add_user(
            site.context, "hoa", "hoa@example.com", Role.MARKETER, shops=None, by=by
        )
        return secret.text

    key = site.call(add)
    with visiting(browser, site) as visit:
        visit.go(f"/sign-in?key={key}")
        visit.page.get_by_role("button", name="Đăng nhập").click()
        expect(visit.page.get_by_role("heading", name="Đặt mật khẩu")).to_be_visible()
        visit.page.get_by_label("Mật khẩu mới", exact=True).fill(PASSWORD)
        visit.page.get_by_label("Nhập lại mật khẩu mới").fill(PASSWORD)
        visit.page.get_by_role("button", name="Lưu mật khẩu").click()
        expect(visit.page.get_by_text("Đã lưu mật khẩu.")).to_be_visible()


def test_the_keyboard_alone_signs_in_skips_the_header_and_closes_menus(browser: Browser, site: Site) -> None:
    with visiting(browser, site) as visit:
        visit.go("/login")
        visit.page.get_by_label("E-mail").focus()
        visit.page.keyboard.type("viewer@example.com")
        visit.page.keyboard.press("Tab")
        visit.page.keyboard.type(PASSWORD)
        visit.page.keyboard.press("Enter")
        expect(visit.page.locator("nav.sections")).to_be_visible()

        visit.page.keyboard.press("Tab")
        expect(visit.page.get_by_role("link", name="Đến nội dung")).to_be_focused()
        visit.page.keyboard.press("Enter")
        expect(visit.page.locator("main")).to_be_focused()

        summary = visit.page.locator("details.menu summary").last
        summary.focus()
        visit.page.keyboard.press("Enter")
        expect(visit.page.get_by_role("button", name="Đăng xuất")).to_be_visible()
        visit.page.keyboard.press("Escape")
        expect(visit.page.get_by_role("button", name="Đăng xuất")).to_be_hidden()
        expect(summary).to_be_focused()


@SCRIPTS
def test_a_session_that_ends_loses_nothing_that_was_typed(
    browser: Browser, site: Site, scripts: bool
) -> None:
    with visiting(browser, site, scripts=scripts) as visit:
        visit.sign_in()
        visit.go(f"/shops/{PAST_ORG}/pause")
        visit.page.get_by_label("Lý do").fill('Tết "2027"')
        site.call(sessions.remove_all, site.context.redis, "owner")
        visit.follow(visit.page.locator("button.danger"))
        expect(visit.page.locator("h1")).to_have_text("Phiên đăng nhập đã hết")

        with visit.page.context.expect_page() as opened:
            visit.page.get_by_role("link", name="Đăng nhập lại").click()
        other = opened.value
        other.get_by_label("E-mail").fill("owner@example.com")
        other.locator("#password").fill(PASSWORD)
        other.locator("button.primary").click()
        expect(other.locator("h1")).to_have_text("Đã đăng nhập lại")
        other.close()

        visit.follow(visit.page.get_by_role("button", name="Gửi lại"))
        if visit.page.locator("h1").inner_text() == "Gửi lại biểu mẫu?":
            visit.follow(visit.page.get_by_role("button", name="Gửi lại"))
        expect(visit.page.locator("h1")).not_to_have_text("Gửi lại biểu mẫu?")
        visit.go(f"/shops/{PAST_ORG}/pause")
        expect(visit.page.get_by_text('Tết "2027"')).to_be_visible()
        visit.follow(visit.page.locator("form button.primary"))
        expect(visit.page.locator(".strip.paused")).to_have_count(0)


def test_a_form_on_another_site_changes_nothing(browser: Browser, site: Site) -> None:
    with visiting(browser, site) as visit:
        visit.sign_in()
        form = f"<form method=post action='{site.url}/profile/sign-out-everywhere'><button>x</button></form>"
        visit.page.context.route(
            "http://evil.test/", lambda route: route.fulfill(body=form, content_type="text/html")
        )
        visit.page.goto("http://evil.test/")
        visit.page.get_by_role("button").click()
        expect(visit.page.locator("body")).to_have_text(re.compile("another site"))
        visit.go("/profile")
        assert visit.path() == "/profile"


def test_the_language_changes_and_stays(browser: Browser, site: Site) -> None:
    with visiting(browser, site) as visit:
        visit.sign_in(Role.VIEWER)
        visit.go(f"/shops/{ORG}/audit?before=1000")
        visit.page.get_by_role("link", name="English").click()
        expect(visit.page.locator("h1")).to_have_text("Audit log")
        assert visit.path() == f"/shops/{ORG}/audit?before=1000"
        visit.go("/profile")
        expect(visit.page.locator("html")).to_have_attribute("lang", "en")
