"""The editor of a rule by keyboard alone."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from service.domain.access import Role
from service.domain.customers import Customer, CustomerId
from service.domain.rules import RuleSet
from service.store import working_copies
from service.store.client import keys
from service.store.shops import save_first_look
from tests.browser.site import Site, visiting
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
    copy = await working_copies.load(redis, ORG)
    await working_copies.remove(redis, ORG, rev=copy.rev if copy else 0)
    live = await context.versions.live_number(ORG)
    await context.versions.publish(ORG, RuleSet(), author="test", parent=live)


def test_the_keyboard_is_enough_and_focus_is_where_the_work_is(browser: Browser, site: Site) -> None:
    site.call(prepare, site)
    with visiting(browser, site) as visit:
        page = visit.page
        visit.sign_in(Role.MARKETER)
        visit.go(f"{RULES}/new")
        visit.follow(page.get_by_role("button", name="Dùng mẫu “Khách VIP”"), by_keyboard=True)
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
