"""The editors and the list in a real browser: YAML beside the form, levels with conditions, two people, undo, search, axe."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from service.domain.access import Role
from service.domain.customers import Customer, CustomerId
from service.domain.decisions import OWNERSHIP_CODEC, Ownership
from service.domain.documents import parse_rules
from service.store import working_copies
from service.store.client import keys
from service.store.shops import save_first_look
from tests.browser.site import DESK, PHONE, Scheme, Site, Visit, visiting
from tests.browser.test_accessibility import violations
from tests.support.customers import spending, store_customers
from tests.support.shop import ORG

RULES = f"/shops/{ORG}/rules"
FIRST_ID = 8_000_000_000  # other than those of the sandbox and of test_rules.py
TEXT = """
rules:
  - {id: vip, name: Khách VIP, tag: VIP, owns: added, when: {field: total_spent, op: at_least, value: 10_000_000}}
  - {id: lau-roi, name: Lâu rồi, tag: Ngủ đông, keep: forever, when: {field: last_order_date, op: more_than_ago, value: 90 days}}
  - {id: hcm, name: Ở Sài Gòn, tag: HCM, when: {field: province, op: is, value: Hồ Chí Minh}}
  - {id: khong-ai, name: Không ai, tag: Test, when: {field: province, op: is, value: Hà Nộii}}
tiers:
  - id: hang
    name: Hạng thành viên
    levels:
      - {tag: Vàng, when: {field: total_spent, op: at_least, value: 16_000_000}}
      - {tag: Bạc, when: {field: total_spent, op: at_least, value: 8_000_000}}
"""


async def prepare(site: Site) -> None:
    """Twenty customers who spent 1 to 20 million; those from 10 million have the tag VIP of the live rules."""
    redis, context = site.context.redis, site.context
    await redis.delete(*(keys.shop(ORG, name) for name in ("snapshots", "owned", "editing")))
    customers = [
        Customer(
            id=CustomerId(FIRST_ID + each.id),
            total_spent=each.total_spent,
            orders_count=each.orders_count,
            province=each.province,
            tags=("VIP",) if each.id >= 10 else (),
        )
        for each in spending(20)
    ]
    await store_customers(redis, context.shops, ORG, customers)
    owned = OWNERSHIP_CODEC.encode({"vip": Ownership("VIP", "vip", 1, 1)})
    await redis.hset(
        keys.shop(ORG, "owned"),
        mapping={str(each.id): owned for each in customers if each.tags},
    )
    await save_first_look(redis, ORG, "complete")
    copy = await working_copies.load(redis, ORG)
    await working_copies.remove(redis, ORG, rev=copy.rev if copy else 0)
    live = await context.versions.live_number(ORG)
    await context.versions.publish(ORG, parse_rules(TEXT), author="test", parent=live)


@pytest.fixture
def shop(site: Site) -> Site:
    """The site with these customers and rules, and no draft."""
    site.call(prepare, site)
    return site


def sign_in(visit: Visit, role: Role = Role.MARKETER) -> Page:
    visit.sign_in(role)
    return visit.page


def test_yaml_and_form_say_the_same_and_an_error_leads_to_its_place(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop) as visit:
        page = sign_in(visit)
        visit.go(f"{RULES}/vip/edit")
        page.get_by_label("Giá trị cho “Tổng chi tiêu”").fill("12tr")
        visit.follow(page.get_by_role("button", name="YAML"))
        source = page.get_by_label("YAML của quy tắc")
        expect(source).to_have_value(
            "id: vip\nname: Khách VIP\ntag: VIP\nwhen: {field: total_spent, op: at_least, value: 12_000_000}\n"
        )
        source.fill("id: vip\ntag: VIP\nwhen: {field: total_spend, op: at_least, value: 1}\n")
        error = page.get_by_role("link", name="dòng 3, cột 15")
        expect(error).to_be_visible()
        expect(page.locator(".sentence")).to_contain_text("12.000.000 ₫")  # the draft is as before
        visit.follow(page.get_by_role("button", name="Biểu mẫu"))  # refused
        expect(error).to_be_visible()
        error.press("Enter")
        expect(source).to_be_focused()
        assert page.evaluate("document.activeElement.selectionStart") == len(
            "id: vip\ntag: VIP\nwhen: {field: "
        )
        source.fill("id: vip\ntag: VIP\nwhen: {field: total_spent, op: at_least, value: 19_000_000}\n")
        expect(page.locator(".sentence")).to_contain_text("19.000.000 ₫")
        visit.follow(page.get_by_role("button", name="Biểu mẫu"))
        expect(page.get_by_label("Giá trị cho “Tổng chi tiêu”")).to_have_value("19.000.000")


def test_without_scripts_a_wrong_text_comes_back_with_its_errors(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop, scripts=False, size=PHONE, language="en") as visit:
        page = sign_in(visit)
        visit.go(f"{RULES}/import")
        page.get_by_label("Or paste the text").fill("rules:\n  - {id: a, tag: A, whem: {}}")
        page.get_by_role("button", name="Put into the draft").click()
        expect(page.get_by_text("line 2, column 21")).to_be_visible()
        assert visit.overflow() <= 0
        page.get_by_label("Or paste the text").fill(TEXT.replace("Khách VIP", "Khách quý"))
        page.get_by_role("button", name="Put into the draft").click()
        expect(page.get_by_role("link", name="Khách quý", exact=True)).to_be_visible()
        expect(page.get_by_text("0 new, 1 changed, 0 deleted")).to_be_visible()


def test_a_tier_gets_three_levels_with_conditions_of_their_own(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop) as visit:
        page = sign_in(visit)
        visit.go(f"{RULES}/hang/edit")
        page.get_by_role("button", name="Thêm hạng").click()
        expect(page.locator("#tag-2")).to_be_focused()
        page.locator("#tag-2").press_sequentially("Đồng")
        page.locator("#threshold-2").fill("3tr")
        expect(page.locator("#customers-2")).to_have_text("5 khách")
        expect(page.locator("#tag-2")).to_have_value("Đồng")  # what is typed is never overwritten
        page.get_by_label("Điều kiện riêng cho từng hạng").check()
        page.locator("#add-l0").click()
        expect(page.locator("#field-l0-1")).to_be_focused()
        page.locator("#field-l0-1").select_option("orders_count")
        page.get_by_label("Giá trị cho “Số đơn hàng”").fill("4")  # of the form that answers the choice
        expect(page.locator("#customers-0")).to_have_text("1 khách")  # 19 million and four orders
        expect(page.locator(".levels")).to_contain_text("Đồng")
        expect(page.locator("#moves")).to_contain_text("không hạng → Vàng")
        page.get_by_label("Mã khách hàng").fill(str(FIRST_ID + 18))
        page.get_by_role("button", name="Thử", exact=True).click()
        expect(page.locator("#tried")).to_contain_text("Số đơn hàng từ 4 trở lên")  # why this one is not Vàng


def test_one_sees_who_would_lose_the_tag_before_a_threshold_is_raised(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop, size=PHONE) as visit:
        page = sign_in(visit)
        visit.go(f"{RULES}/vip/edit")
        page.get_by_label("Giá trị cho “Tổng chi tiêu”").fill("19tr")
        expect(page.locator(".counts-bar")).to_contain_text("−9")
        losers = page.locator(".samples", has=page.locator(".remove")).get_by_role("link")
        expect(losers).to_have_count(6)
        losers.first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("#80000000")


def test_other_spellings_are_taken_with_one_press(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop) as visit:
        page = sign_in(visit)
        visit.go(f"{RULES}/khong-ai/edit")
        expect(page.locator("#offers-n-0")).to_contain_text("Hà Nộii: không khách nào có")
        page.get_by_role("button", name="+ Hà Nội (4 khách)").press("Enter")
        expect(page.locator("#value-n-0")).to_have_value("Hà Nội")
        page.locator("#value-n-0").fill("ho chi minh")
        page.get_by_role("button", name="+ Hồ Chí Minh (8 khách)").click()
        page.get_by_role("button", name="+ TP. Hồ Chí Minh (4 khách)").click()
        expect(page.locator("#value-n-0-1")).to_have_value("TP. Hồ Chí Minh")
        expect(page.locator(".sentence")).to_contain_text("Hồ Chí Minh, TP. Hồ Chí Minh")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_value_pasted_from_a_mac_is_the_same_value(browser: Browser, shop: Site, scripts: bool) -> None:
    with visiting(browser, shop, scripts=scripts, size=PHONE) as visit:
        page = sign_in(visit)
        visit.go(f"{RULES}/hcm/edit")
        page.locator("#value-n-0").fill(unicodedata.normalize("NFD", "Đà Nẵng"))
        if not scripts:
            visit.follow(page.get_by_role("button", name="Lưu bản nháp"))
        expect(page.locator(".sentence")).not_to_contain_text("Hồ Chí Minh")
        expect(page.locator(".figures dd").first).to_have_text("4")  # of those who live in Đà Nẵng
        expect(page.locator("#offers-n-0")).not_to_contain_text("không khách nào có")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_levels_in_the_wrong_order_are_warned_of(browser: Browser, shop: Site, scripts: bool) -> None:
    warning = "Không khách hàng nào đạt được hạng “Vàng”"
    with visiting(browser, shop, scripts=scripts) as visit:
        page = sign_in(visit)
        visit.go(f"{RULES}/hang/edit")
        expect(page.get_by_text(warning)).to_have_count(0)
        page.get_by_role("button", name="Đưa hạng “Vàng” xuống").press("Enter")
        expect(page.locator("#tag-1")).to_have_value("Vàng")
        expect(page.get_by_text(warning).first).to_be_visible()


def test_the_newest_keystroke_wins(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop) as visit:
        page = sign_in(visit)
        visit.go(f"{RULES}/vip/edit")
        amount = page.get_by_label("Giá trị cho “Tổng chi tiêu”")
        amount.fill("")
        for digit in "17000000":
            amount.press_sequentially(digit)
            page.wait_for_timeout(450)  # longer than the pause after which a keystroke is sent
        expect(page.locator(".sentence")).to_contain_text("17.000.000 ₫")
        expect(page.locator(".figures dd").first).to_have_text("4")
        assert amount.input_value() == "17000000"
    stored = shop.call(working_copies.load, shop.context.redis, ORG)
    assert stored.document["rules"][0]["when"]["value"] == 17_000_000


def test_what_is_typed_while_an_answer_is_on_its_way_stays(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop) as visit:
        page = sign_in(visit)
        visit.go(f"{RULES}/vip/edit")
        amount = page.locator("#value-n-0")
        held: list[Route] = []
        with page.expect_request("**/vip/edit"):
            page.route("**/vip/edit", lambda route: held.append(route), times=1)  # noqa: PLW0108  # Playwright marks it
            page.get_by_role("button", name="Thêm điều kiện").click()
        amount.fill("17tr")
        while not held:
            page.wait_for_timeout(20)
        held[0].continue_()
        expect(page.locator("#field-n-1")).to_be_visible()
        expect(page.locator(".sentence, #errors")).not_to_contain_text("10.000.000")
        expect(amount).to_have_value("17tr")
        expect(amount).to_be_focused()
        page.locator("#del-n-1").click()
        expect(page.locator(".sentence")).to_contain_text("17.000.000 ₫")


def test_two_people_see_each_other_and_both_versions(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop) as of_lan, visiting(browser, shop, language="en", size=PHONE) as of_minh:
        lan, minh = sign_in(of_lan), sign_in(of_minh, Role.OPS)
        of_lan.go(f"{RULES}/hang/edit")
        of_minh.go(f"{RULES}/hang/edit")
        expect(minh.get_by_text("marketer is editing this rule since")).to_be_visible()
        lan.locator("#threshold-0").fill("18tr")
        expect(lan.locator("#saved")).to_contain_text("Đã lưu lúc")
        minh.locator("#threshold-0").fill("15tr")
        expect(minh.get_by_role("heading", name="Somebody else")).to_be_visible()
        expect(minh.locator("mark", has_text="15,000,000")).to_be_visible()
        expect(minh.locator("mark", has_text="18,000,000")).to_be_visible()
        assert violations(minh) == []
        assert of_minh.overflow() <= 0
        minh.get_by_role("button", name="Save mine").click()
        expect(minh.locator("#threshold-0")).to_have_value("15,000,000")


def test_undo_and_redo_by_keyboard(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop) as visit:
        page = sign_in(visit)
        visit.go(f"{RULES}/vip/edit")
        undo, redo = page.get_by_role("button", name="Hoàn tác"), page.get_by_role("button", name="Làm lại")
        amount = page.get_by_label("Giá trị cho “Tổng chi tiêu”")
        expect(undo).to_be_disabled()
        amount.fill("11tr")
        expect(undo).to_be_enabled()
        undo.press("Enter")
        expect(amount).to_have_value("10.000.000")
        redo.press("Enter")
        expect(amount).to_have_value("11.000.000")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_the_list_is_searched_without_diacritics(browser: Browser, shop: Site, scripts: bool) -> None:
    with visiting(browser, shop, scripts=scripts) as visit:
        page = sign_in(visit)
        visit.go(f"{RULES}/counts")
        expect(page.locator("tbody tr")).to_have_count(5)
        page.get_by_label("Tìm quy tắc").fill("sai gon")
        if not scripts:
            page.get_by_role("button", name="Lọc").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.get_by_role("link", name="Ở Sài Gòn", exact=True)).to_be_visible()


def test_a_rule_is_duplicated_and_deleted_from_its_row_by_keyboard(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop) as visit:
        page = sign_in(visit)
        visit.go(f"{RULES}/counts")
        page.get_by_label("Thao tác với “Khách VIP”").press("Enter")
        visit.follow(page.get_by_role("button", name="Nhân bản"), by_keyboard=True)
        expect(page.get_by_role("heading", level=1)).to_have_text("Khách VIP (bản sao)")
        visit.go(f"{RULES}/counts")
        page.get_by_label("Thao tác với “Khách VIP”", exact=True).press("Enter")
        page.get_by_role("link", name="Xóa", exact=True).press("Enter")
        expect(page.get_by_text("Xóa rồi, nhãn ở lại với 11 khách hàng")).to_be_visible()
        page.get_by_role("button", name="Xóa", exact=True).press("Enter")
        expect(page.get_by_text("1 mới, 0 sửa, 1 xóa")).to_be_visible()


def states(visit: Visit, *, scripts: bool) -> Iterator[str]:
    """Go through every state of the list and the editors."""
    page = visit.page
    for path in (
        "/counts",
        "?q=zzz",
        "/new",
        "/import",
        "/hcm/edit",
        "/hcm/yaml",
        "/hang/yaml",
        "/hang/edit",
    ):
        visit.go(f"{RULES}{path}")
        yield path
    for path in ("/hang/moves", "/vip/remove", "/vip/history", "/lau-roi/history"):
        visit.go(f"{RULES}{path}")
        yield path
    visit.go(f"{RULES}/import")
    page.locator("#source").fill("rules: [")
    visit.follow(page.locator(".button.primary"))
    yield "wrong import"
    visit.go(f"{RULES}/hang/edit")
    page.locator("#mode-own").check()
    if not scripts:
        visit.follow(page.locator("button[value=refresh]").first)
    page.locator("#addgroup-l0").click()
    page.locator("#field-l0-1-0").wait_for()
    yield "own conditions with errors"
    visit.go(f"{RULES}/hcm/yaml")
    page.locator("#source").fill("id: hcm\ntag: [")
    visit.follow(page.get_by_role("button", name="YAML"))
    page.locator("#source-errors li").wait_for()
    yield "wrong YAML"
    visit.go(f"{RULES}/vip/remove")
    visit.follow(page.locator("button[value=off_keep]"))
    visit.go(f"{RULES}/counts")
    page.locator(".more-actions summary").first.click()
    page.locator(".warned summary").first.click()
    yield "list with a draft, a menu and a warning"
    visit.go(f"{RULES}/vip/remove")
    yield "a rule that is off"


WAYS: list[tuple[str, tuple[int, int], Scheme]] = [("vi", DESK, "light"), ("en", PHONE, "dark")]


@pytest.mark.parametrize(("language", "size", "scheme"), WAYS, ids=["vi desk light", "en phone dark"])
def test_axe_finds_nothing_in_any_state(
    browser: Browser, shop: Site, language: str, size: tuple[int, int], scheme: Scheme
) -> None:
    found = {}
    with visiting(browser, shop, language=language, size=size, scheme=scheme) as visit:
        sign_in(visit)
        for state in states(visit, scripts=True):
            found[state] = (violations(visit.page), max(0, visit.overflow()))

    assert found == dict.fromkeys(found, ([], 0))


def test_every_state_is_reached_without_scripts_and_fits_a_phone(browser: Browser, shop: Site) -> None:
    with visiting(browser, shop, size=PHONE, scripts=False) as visit:
        sign_in(visit)
        wide = [state for state in states(visit, scripts=False) if visit.overflow() > 0]

    assert wide == []
