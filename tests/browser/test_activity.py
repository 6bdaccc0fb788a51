"""The feed of the activity fills itself, and stands still while somebody reads it."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.browser.site import Site, visiting
from tests.support.history import add_entry
from tests.support.shop import ORG

LATER_MS = 4_000_000_000_000  # behind whatever the running system writes


def test_new_changes_appear_unless_somebody_reads_the_list(browser: Browser, site: Site) -> None:
    async def write(number: int) -> None:
        await add_entry(site.context.redis, 900 + number, f"+Live {number}", at_ms=LATER_MS + number)

    site.call(write, 1)
    with visiting(browser, site) as visit:
        visit.sign_in()
        visit.go(f"/shops/{ORG}/activity")
        feed = visit.page.locator("#feed")
        feed.locator("tr").first.hover()
        site.call(write, 2)
        visit.page.wait_for_timeout(4000)  # longer than the interval of the polls
        expect(feed).not_to_contain_text("+Live 2")

        visit.page.locator("h1").hover()

        expect(feed.locator("tr").first).to_contain_text("+Live 2")
        expect(feed).to_contain_text("+Live 1")
