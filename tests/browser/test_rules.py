"""A marketer who has never seen the editor goes from the sign-in to a published rule, by mouse, by keyboard, without scripts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from service.domain.access import Role
from service.domain.customers import Customer, CustomerId
from service.domain.rules import RuleSet
from service.store import working_copies
from service.store.client import keys
from service.store.shops import save_first_look
from tests.browser.site import DESK, PASSWORD, PHONE, Site, visiting
from tests.support.customers import spending, store_customers
from tests.support.shop import ORG

RULES = f"/shops/{ORG}/rules"
FIRST_ID = 9_000_000_000  # other than the sandbox's own customers


async def prepare(site: Site) -> None:
    """Four hundred customers, few with high spending; no draft and no rules."""
    redis, context = site.context.redis, site.context
    await redis.delete(*(keys.shop(ORG, name) for name in ("snapshots", "owned")))
    many = [
        Customer(
            id=CustomerId(FIRST_ID + each.id),
            total_spent=each.total_spent if each.id < 9 else 1,
            orders_count=1,
        )
        for each in spending(400)
    ]
    await store_customers(redis, context.shops, ORG, many)
    await save_first_look(redis, ORG, "complete")
    await working_copies.remove(redis, ORG)
    live = await context.versions.live_number(ORG)
    await context.versions.publish(ORG, RuleSet(), author="test", parent=live)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_marketer_publishes_a_rule(
    browser: Browser, site: Site, size: tuple[int, int], scripts: bool
) -> None:
    site.call(prepare, site)
    with visiting(browser, site, size=size, scripts=scripts) as visit:
        page = visit.page
        visit.sign_in(Role.MARKETER)
        page.wait_for_url("**/shops**")
        visit.go(RULES)
        page.get_by_role("button", name="Dùng mẫu “Khách VIP”").click()
        amount = page.get_by_label("Giá trị cho “Tổng chi tiêu”")
        expect(amount).to_have_value("5.000.000")
        assert visit.overflow() <= 0
        amount.fill("6tr")
        if scripts:
            expect(page.locator(".sentence")).to_contain_text("6.000.000 ₫")
            assert amount.input_value() == "6tr"  # what is typed is never overwritten
        amount.fill("5tr")
        page.get_by_role("button", name="Xem trước và xuất bản").click()
        page.get_by_label("Ghi chú phiên bản").fill("VIP từ 5 triệu")
        assert visit.overflow() <= 0
        page.get_by_role("button", name="Xuất bản: gắn 4, gỡ 0, giữ 0").click()
        expect(page.get_by_role("heading", name="Ghi lên Haravan")).to_be_visible()
        expect(page.get_by_text("VIP từ 5 triệu").first).to_be_visible()
    live = site.call(site.context.versions.live, ORG)
    assert (live.author, live.note) == ("marketer", "VIP từ 5 triệu")


def test_from_the_sign_in_to_a_published_rule_takes_eight_interactions(browser: Browser, site: Site) -> None:
    site.call(prepare, site)
    with visiting(browser, site) as visit:
        page = visit.page
        visit.go("/")
        page.get_by_label("E-mail").fill(f"{Role.MARKETER}@example.com")
        page.locator("#password").fill(PASSWORD)
        page.locator("#password").press("Enter")
        page.get_by_role("link", name="Quy tắc", exact=True).click()
        page.get_by_role("button", name="Dùng mẫu “Khách VIP”").click()
        page.get_by_role("button", name="Xem trước và xuất bản").click()
        page.get_by_label("Ghi chú phiên bản").fill("VIP từ 5.000.000 ₫")
        page.get_by_role("button", name="Xuất bản: gắn 4, gỡ 0, giữ 0").click()
        expect(page.get_by_text("VIP từ 5.000.000 ₫").first).to_be_visible()


def test_the_keyboard_is_enough_and_focus_is_where_the_work_is(browser: Browser, site: Site) -> None:
    site.call(prepare, site)
    with visiting(browser, site) as visit:
        page = visit.page
        visit.sign_in(Role.MARKETER)
        page.wait_for_url("**/shops**")
        visit.go(f"{RULES}/new")
        page.get_by_role("button", name="Dùng mẫu “Khách VIP”").press("Enter")
        page.locator("#add-n").press("Enter")
        expect(page.locator("#field-n-1")).to_be_focused()
        page.locator("#field-n-1").select_option("orders_count")
        expect(page.locator("#field-n-1")).to_be_focused()
        page.get_by_label("Giá trị cho “Số đơn hàng”").fill("một")
        error = page.locator("#value-n-1-error")
        expect(error).to_contain_text("Hãy nhập một số nguyên.")
        expect(page.locator("#value-n-1")).to_have_attribute("aria-invalid", "true")
        page.locator("#value-n-1").fill("1")
        expect(error).to_be_empty()
        expect(page.locator("#value-n-1")).not_to_have_attribute("aria-invalid", "true")
        expect(page.locator("#count-n-1")).to_contain_text("4")
        page.locator("#del-n-1").press("Enter")
        expect(page.locator("#del-n-0")).to_be_focused()
