"""What ops do in a browser: count a replay and start it, retry a dead letter twice for one write; others are kept out.

The four ways cover both languages, both sizes, and pages with and without JavaScript in pairs.
"""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from service.domain.access import Role
from service.locales import translator_for
from tests.browser.site import FOUR_WAYS, Site, visiting
from tests.browser.test_publishing import check, start
from tests.support.shop import ORG
from tests.support.wait import wait_until
from tests.web.ops.conftest import store_dead_letter

REPLAY, LETTERS = f"/shops/{ORG}/replay", f"/shops/{ORG}/deliveries/dead"


async def tagged(site: Site, customer: int) -> None:
    """Wait until the customer has the tag at Haravan, and nothing more is on its way."""

    async def is_right() -> bool:
        await site.haravan.deliveries.wait_idle()
        return site.haravan.tags(customer) == {"VIP"}

    await wait_until(is_right, timeout_s=120)


async def lose_tag(site: Site) -> tuple[int, int]:
    """A customer who earned the tag VIP, and lost it in a way that no webhook told; and the tag writes so far."""
    await start(site, 10_000_000)
    customer = site.haravan.create(total_spent=12_000_000)
    await tagged(site, customer)
    site.haravan.edit(customer, announce=False, tags="")
    return customer, site.haravan.calls.count("POST tags")


async def writes(site: Site, customer: int) -> tuple[int, set[str]]:
    """How many tag writes the shop has seen, and the tags of a customer."""
    return site.haravan.calls.count("POST tags"), site.haravan.tags(customer)


@FOUR_WAYS
def test_a_replay_is_counted_first_and_then_gives_the_lost_tag_back(
    browser: Browser, site: Site, language: str, size: tuple[int, int], scripts: bool
) -> None:
    t = translator_for("vi" if language == "vi" else "en")
    customer, before = site.call(lose_tag, site)
    with visiting(browser, site, language=language, size=size, scripts=scripts) as visit:
        page = visit.page
        visit.sign_in(Role.OPS)
        visit.go(REPLAY)
        page.get_by_label(t("replay.source.customers")).check()
        page.get_by_label(t("replay.ids")).fill(f"#{customer}")
        check(visit, scripts=scripts)
        visit.follow(page.get_by_role("button", name=t("replay.count")))
        expect(page.get_by_role("heading", name=t.plural("customers.found", 1))).to_be_visible()
        check(visit, scripts=scripts)
        assert site.call(writes, site, customer) == (before, set())  # counting changes nothing
        page.get_by_label(t("replay.reason")).fill("sau sự cố")
        visit.follow(page.get_by_role("button", name=t("replay.start", n="1")))
        site.call(tagged, site, customer)
        if not scripts:
            visit.go(visit.path())
        expect(page.locator("#run")).to_contain_text(t("replay.state.done", n="1"))
        check(visit, scripts=scripts)
    assert site.call(writes, site, customer) == (before + 1, {"VIP"})


@FOUR_WAYS
def test_a_dead_letter_that_is_retried_twice_is_written_once(
    browser: Browser, site: Site, language: str, size: tuple[int, int], scripts: bool
) -> None:
    t = translator_for("vi" if language == "vi" else "en")
    customer, before = site.call(lose_tag, site)
    site.call(store_dead_letter, site.context.redis, customer)
    with visiting(browser, site, language=language, size=size, scripts=scripts) as visit:
        visit.sign_in(Role.OPS)
        visit.go(LETTERS)
        check(visit, scripts=scripts)
        late = visit.page.context.new_page()  # a second tab, which still shows the letter
        late.goto(f"{site.url}{LETTERS}")
        for page, notice in (
            (visit.page, t("notice.letters_retried", n="1")),
            (late, t("notice.letters_gone")),
        ):
            page.get_by_role("checkbox").check()
            page.get_by_role("button", name=t("letters.retry.chosen")).click()
            expect(page.get_by_text(notice)).to_be_visible()
            site.call(tagged, site, customer)
        expect(late.get_by_text(t("letters.empty"))).to_be_visible()
    assert site.call(writes, site, customer) == (before + 1, {"VIP"})


@FOUR_WAYS
def test_who_may_not_replay_is_told_whom_to_ask(
    browser: Browser, site: Site, language: str, size: tuple[int, int], scripts: bool
) -> None:
    t = translator_for("vi" if language == "vi" else "en")
    with visiting(browser, site, language=language, size=size, scripts=scripts) as visit:
        visit.sign_in(Role.MARKETER)
        expect(visit.page.get_by_role("link", name=t("section.replay"), exact=True)).to_have_count(0)
        visit.go(REPLAY)
        expect(visit.page.get_by_role("heading", level=1)).to_have_text(t("page.error.403.title"))
        check(visit, scripts=scripts)
