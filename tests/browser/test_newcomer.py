"""A marketer who has never seen the pages: from the one-time link to a published rule, then a tier, and a customer's why.

The four ways cover both languages, both sizes, and pages with and without JavaScript in pairs, not in all eight combinations.
`pytest -s` prints how long a way took from the link to the published rule.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from playwright.sync_api import Browser, Locator, expect

from service.domain.access import Role, shell_user
from service.locales import translator_for
from service.operations import access
from tests.browser.site import FOUR_WAYS, PASSWORD, Site, Visit, visiting
from tests.browser.test_rules import FIRST_ID, RULES, prepare
from tests.support.shop import ORG

MAX_INTERACTIONS = 12


@dataclass(slots=True)
class Hand:
    """Counts what a person does: a click, or a text that is typed into a field."""

    visit: Visit
    interactions: int = 0

    def follow(self, target: Locator) -> None:
        self.interactions += 1
        self.visit.follow(target)

    def type(self, target: Locator, text: str) -> None:
        self.interactions += 1
        target.fill(text)


@FOUR_WAYS
def test_a_newcomer_publishes_a_rule_and_a_tier_and_finds_why_a_customer_is_not_gold(
    browser: Browser, site: Site, language: str, size: tuple[int, int], scripts: bool
) -> None:
    t = translator_for("vi" if language == "vi" else "en")
    name = f"newcomer-{language}-{'scripts' if scripts else 'plain'}"

    async def invite() -> str:
        by = shell_user("test")
        secret = await access.add_user(
            site.context, name, f"{name}@example.com", Role.MARKETER, shops=frozenset([ORG]), by=by
        )
        return secret.text

    site.call(prepare, site)
    link = f"/sign-in?key={site.call(invite)}"
    with visiting(browser, site, language=language, size=size, scripts=scripts) as visit:
        page, hand = visit.page, Hand(visit)
        publish = page.locator("form[action$='/rules/publish'] button.primary")

        started = time.monotonic()
        visit.go(link)
        hand.follow(page.get_by_role("button", name=t("sign_in.submit")))
        hand.type(page.locator("#new_password"), PASSWORD)
        hand.type(page.locator("#again_password"), PASSWORD)
        hand.follow(page.get_by_role("button", name=t("profile.password.submit")))
        expect(page.get_by_text(t("notice.password_set"))).to_be_visible()
        hand.follow(page.get_by_role("link", name=t("section.rules"), exact=True))
        vip = t("rules.use_template", name=t("rules.template.vip"))
        hand.follow(page.get_by_role("button", name=vip))
        amount = page.locator("#value-n-0")
        expect(amount).to_have_value(re.compile("5.000.000"))
        if scripts:
            with page.expect_response(lambda answer: answer.request.method == "POST"):
                hand.type(amount, "5tr")
            expect(amount).to_have_value("5tr")  # what is typed is never overwritten
        else:
            hand.type(amount, "5tr")
        assert visit.overflow() <= 0
        hand.follow(page.get_by_role("button", name=t("rules.review")))
        hand.type(page.get_by_label(t("review.note")), "VIP từ 5.000.000 ₫")
        assert visit.overflow() <= 0
        expect(publish).to_have_text(t("review.submit", added="4", removed="0", kept="0"))
        hand.follow(publish)
        expect(page.get_by_role("heading", name=t("progress.title"))).to_be_visible()
        print(f"{name}: {hand.interactions} interactions, {time.monotonic() - started:.0f} s")
        assert hand.interactions <= MAX_INTERACTIONS
        live = site.call(site.context.versions.live, ORG)
        assert (live.author, live.note) == (name, "VIP từ 5.000.000 ₫")

        visit.go(f"{RULES}/new")
        tier = t("rules.use_template", name=t("rules.template.tier"))
        visit.follow(page.get_by_role("button", name=tier))
        for index, threshold in enumerate(("8tr", "7tr", "3tr")):
            page.locator(f"#threshold-{index}").fill(threshold)
        if scripts:
            expect(page.locator("#customers-1")).to_contain_text(
                re.compile(r"\b1\b")
            )  # the one with 7 million
        visit.follow(page.get_by_role("button", name=t("rules.review")))
        page.get_by_label(t("review.note")).fill("Ba hạng")
        expect(page.locator("#effect")).to_be_visible()
        visit.follow(publish)
        expect(page.get_by_role("heading", name=t("progress.title"))).to_be_visible()

        page.get_by_role("link", name=t("section.customers"), exact=True).click()
        page.get_by_role("searchbox").fill(f"#{FIRST_ID + 7}")
        page.get_by_role("button", name=t("customers.search.submit"), exact=True).click()
        card = page.locator("section.card", has_text=t("customers.level.next", level="Gold"))
        expect(card).to_contain_text(t.money(8_000_000_0000, "VND"))
        expect(card).to_contain_text(t.money(7_000_000_0000, "VND"))
        assert visit.overflow() <= 0
