"""The way of a large change: stopped by the guard, approved by ops, undone; and changes that wait for their time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec import Raw
from playwright.sync_api import Browser, Page, expect

from service.domain.access import Role
from service.domain.customers import Customer, CustomerId
from service.domain.decisions import OWNERSHIP_CODEC, Ownership
from service.domain.documents import canonical_json, parse_rules
from service.locales import translator_for
from service.store import scheduled, tasks, working_copies
from service.store.client import keys
from service.store.shops import FREEZE_KEY
from service.store.tasks import PageTask
from service.store.working_copies import WorkingCopy
from tests.browser.site import DESK, FOUR_WAYS, PHONE, Scheme, Site, Visit, visiting
from tests.browser.test_accessibility import violations
from tests.browser.test_rules import FIRST_ID, RULES, prepare
from tests.support.customers import store_customers
from tests.support.shop import ORG

HISTORY, FREEZE = f"/shops/{ORG}/history", f"/shops/{ORG}/freeze"
PUBLISH = f"{RULES}/publish"
VIP = "rules:\n - {id: vip, name: {vi: Khách VIP, en: VIP customer}, tag: VIP, when: {field: total_spent, op: at_least, value: %d}}"
EVERYBODY = "rules:\n - {id: all, tag: All, when: {field: orders_count, op: at_least, value: 1}}"
TODAY = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()


async def start(site: Site, threshold: int = 0, draft: str = "") -> None:
    """The shop of the editor's tests; with live rules of this threshold, and a draft of these rules."""
    await prepare(site)
    context = site.context
    await context.redis.delete(
        keys.shop(ORG, FREEZE_KEY),
        keys.shop(ORG, scheduled.SCHEDULED_KEY),
        keys.shop(ORG, "approval_request"),
    )
    if threshold:
        live = await context.versions.live_number(ORG)
        await context.versions.publish(ORG, parse_rules(VIP % threshold), author="test", parent=live)
    if draft:
        document = msgspec.json.decode(canonical_json(parse_rules(draft)))
        parent = await context.versions.live_number(ORG)
        saved = WorkingCopy(document=document, rev=1, parent=parent, by="marketer", at_ms=1)
        before = WorkingCopy(document={"rules": [], "tiers": []}, parent=parent)
        assert await working_copies.save(context.redis, ORG, saved, before=before)


def check(visit: Visit, *, scripts: bool) -> None:
    """The page is as wide as the window, and axe finds nothing."""
    assert visit.overflow() <= 0
    if scripts:
        assert violations(visit.page) == []


def button(page: Page, text: str) -> None:
    page.get_by_role("button", name=text).click()


@FOUR_WAYS
def test_a_large_change_is_stopped_approved_and_undone(
    browser: Browser, site: Site, language: str, size: tuple[int, int], scripts: bool
) -> None:
    t = translator_for("vi" if language == "vi" else "en")
    site.call(start, site, 0, EVERYBODY)
    with visiting(browser, site, size=size, language=language, scripts=scripts) as visit:
        page = visit.page
        visit.sign_in(Role.MARKETER)
        visit.go(PUBLISH)
        expect(page.get_by_text(t("review.guard"))).to_be_visible()
        check(visit, scripts=scripts)
        page.get_by_label(t("review.note")).fill("Ai cũng là VIP")
        button(page, t("review.ask"))
        expect(page.get_by_text(t("notice.approval_asked"))).to_be_visible()
    with visiting(browser, site, size=size, language=language, scripts=scripts) as visit:
        page = visit.page
        visit.sign_in(Role.OPS)
        visit.go(f"/shops/{ORG}")
        expect(page.locator("main")).to_contain_text("Ai cũng là VIP")
        check(visit, scripts=scripts)
        page.locator("main").get_by_role("link", name=t("approval.open")).click()
        expect(page.get_by_label(t("review.note"))).to_have_value("Ai cũng là VIP")
        page.get_by_role("checkbox").check()
        button(page, t("review.submit", added="400", removed="0", kept="0"))
        page.wait_for_url("**/history/*")
        expect(page.get_by_role("heading", name=t("progress.title"))).to_be_visible()
        check(visit, scripts=scripts)
        page.locator("#progress a[href$='/rollback']").click()
        check(visit, scripts=scripts)
        button(page, t("rollback.submit.title"))
        page.wait_for_url("**/history/*")
    live = site.call(site.context.versions.live, ORG)
    assert site.call(site.context.versions.document, ORG, live.number).all == ()
    assert live.author == "ops"
    undone = site.call(site.context.versions.get, ORG, live.number - 2)
    assert live.content == undone.content  # the same SHA-256


@FOUR_WAYS
def test_a_marketer_sees_who_would_lose_the_tag(
    browser: Browser, site: Site, language: str, size: tuple[int, int], scripts: bool
) -> None:
    async def give_tags() -> None:
        redis: Any = site.context.redis
        tagged = [
            Customer(
                id=CustomerId(FIRST_ID + number),
                total_spent=number * 1_000_000_0000,
                tags=("VIP",),
                last_name="Lê",
                first_name=name,
            )
            for number, name in ((6, "Dũng"), (7, "Vy"))
        ]
        await store_customers(redis, site.context.shops, ORG, tagged)
        for customer in tagged:
            owned = OWNERSHIP_CODEC.encode({"vip": Ownership("VIP", "vip", 1_700_000_000_000, 1)})
            await redis.hset(keys.shop(ORG, "owned"), str(customer.id), owned)

    t = translator_for("vi" if language == "vi" else "en")
    site.call(start, site, 6_000_000)
    site.call(give_tags)
    with visiting(browser, site, size=size, language=language, scripts=scripts) as visit:
        page, loser = visit.page, "Lê Dũng" if language == "vi" else "Dũng Lê"
        visit.sign_in(Role.MARKETER)
        visit.go(f"{RULES}/vip/edit")
        page.locator("#value-n-0").fill("7tr")
        if not scripts:
            button(page, t("rules.save"))
        expect(page.locator(".samples", has=page.locator(".remove")).get_by_role("link")).to_have_text(loser)
        button(page, t("rules.review"))
        page.get_by_text(t("review.who_loses", tag="VIP")).click()
        page.get_by_role("link", name=f"{loser} #{FIRST_ID + 6}").click()
        page.wait_for_url(f"**/customers/{FIRST_ID + 6}")


@pytest.mark.parametrize(
    ("language", "size", "scheme"),
    [("vi", DESK, "light"), ("en", PHONE, "dark")],
    ids=["vi desk", "en phone"],
)
def test_work_that_takes_long_shows_how_far_it_is(
    browser: Browser, site: Site, language: str, size: tuple[int, int], scheme: Scheme
) -> None:
    t, name = translator_for("vi" if language == "vi" else "en"), f"publish-{language * 8}"
    redis = site.context.redis
    site.call(start, site, 7_000_000)
    live = site.call(site.context.versions.live_number, ORG)

    def report(done: int, **ended: Any) -> None:
        task = PageTask(started_ms=1, total=100_000, done=done, **ended)
        site.call(tasks.save, redis, ORG, name, task)

    report(41_000)
    with visiting(browser, site, size=size, language=language, scheme=scheme) as visit:
        page = visit.page
        visit.sign_in(Role.MARKETER)
        visit.go(f"/shops/{ORG}/working/{name}")
        expect(page.locator("progress")).to_have_attribute("value", "41")
        check(visit, scripts=True)
        report(100_000)
        expect(page.get_by_text(t("working.compute", total=t.number(100_000)))).to_be_visible()
        check(visit, scripts=True)
        report(100_000, status="done", ended_ms=2, result=Raw(str(live).encode()))
        page.wait_for_url(f"**/history/{live}")
        expect(page.get_by_text(t("notice.published", number=str(live)))).to_be_visible()


@FOUR_WAYS
def test_a_publish_is_scheduled_moved_and_cancelled(
    browser: Browser, site: Site, language: str, size: tuple[int, int], scripts: bool
) -> None:
    t = translator_for("vi" if language == "vi" else "en")
    site.call(start, site, 0, VIP % 7_000_000)
    day = (TODAY + timedelta(days=3)).isoformat()
    with visiting(browser, site, size=size, language=language, scripts=scripts) as visit:
        page = visit.page
        visit.sign_in(Role.MARKETER)
        visit.go(PUBLISH)
        page.get_by_label(t("review.note")).fill("Từ mùng 1")
        page.get_by_text(t("scheduled.later")).click()
        button(page, t("scheduled.submit"))
        expect(page.locator("#day-error")).to_have_text(t("scheduled.time.error"))
        expect(page.get_by_label(t("review.note"))).to_have_value("Từ mùng 1")
        check(visit, scripts=scripts)
        page.locator("#day").fill(day)
        page.locator("#time").fill("08:30")
        button(page, t("scheduled.submit"))
        page.wait_for_url("**/publish/scheduled")
        check(visit, scripts=scripts)
        page.get_by_text(t("scheduled.move"), exact=True).click()
        page.locator("#time").fill("09:45")
        button(page, t("scheduled.move.submit"))
        expect(page.get_by_text("09:45")).to_be_visible()
        button(page, t("scheduled.cancel"))
        page.wait_for_url("**/rules")
    assert site.call(scheduled.load, site.context.redis, ORG) is None


@FOUR_WAYS
def test_a_shop_is_frozen_shown_so_and_thawed(
    browser: Browser, site: Site, language: str, size: tuple[int, int], scripts: bool
) -> None:
    t = translator_for("vi" if language == "vi" else "en")
    last = TODAY + timedelta(days=3)
    site.call(start, site, 7_000_000)
    with visiting(browser, site, size=size, language=language, scripts=scripts) as visit:
        page = visit.page
        visit.sign_in(Role.MARKETER)
        visit.go(FREEZE)
        check(visit, scripts=scripts)
        page.locator("#first").fill(TODAY.isoformat())
        page.locator("#last").fill((TODAY - timedelta(days=1)).isoformat())
        button(page, t("freeze.submit"))
        expect(page.locator("#last-error")).to_have_text(t("freeze.error.order"))
        page.locator("#last").fill(last.isoformat())
        button(page, t("freeze.submit"))
        strip = page.get_by_label(t("page.strip"))
        expect(strip).to_contain_text(t("page.strip.frozen_until", last=t.day(last)))
        check(visit, scripts=scripts)
        visit.go(HISTORY)
        expect(page.get_by_label(t("page.strip"))).to_contain_text(
            t("page.strip.frozen_until", last=t.day(last))
        )
        check(visit, scripts=scripts)
        visit.go(FREEZE)
        button(page, t("freeze.end.submit", added="2", removed="0"))
        page.wait_for_url("**/history/*")
    assert site.call(site.context.shops.describe, ORG).freeze is None


def test_the_history_is_filtered_compared_and_downloaded(browser: Browser, site: Site) -> None:
    site.call(start, site, 7_000_000)
    live = site.call(site.context.versions.live, ORG)
    with visiting(browser, site) as visit:
        page = visit.page
        visit.sign_in(Role.VIEWER)
        visit.go(HISTORY)
        page.get_by_label("Quy tắc", exact=True).select_option("vip")
        page.get_by_label("Từ ngày").fill(TODAY.isoformat())
        visit.follow(page.get_by_role("button", name="Lọc"))
        visit.follow(page.get_by_role("link", name=f"v{live.number}", exact=True))
        visit.follow(page.get_by_role("link", name="YAML", exact=True))
        expect(page.locator(".diff")).to_contain_text("+- id: vip")
        check(visit, scripts=True)
        with page.expect_download() as download:
            page.get_by_role("link", name="Tải YAML").click()
        assert download.value.suggested_filename == f"rules-{ORG}-v{live.number}.yaml"
