"""axe finds nothing wrong on any page, in either language and scheme, and no page is wider than a phone."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from service.web.pages import GROUPS
from tests.browser.site import DESK, PAST_ORG, PHONE, Scheme, Site, visiting
from tests.support.shop import ORG

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SHOP = f"/shops/{PAST_ORG}"
PUBLIC = ["/login", "/sign-in?key=x", "/design"]
NO_PAGES = {
    "/",
    "/session",
    "/session/restored",
    "/shops/{org}/activity.csv",
    "/shops/{org}/rules/export",
    "/shops/{org}/history/{number}/rules.yaml",
    "/shops/{org}/history/{number}/progress",
    "/shops/{org}/rules/{id}/editing",
    "/shops/{org}/strip",
    "/login",
    "/sign-in",
}
NAMES = {"org": PAST_ORG, "customer": "1050000001", "id": "vip", "number": "1", "run": "P2", "name": "viewer"}
MORE = [
    *(f"{SHOP}/customers/1050000001?v=draft", f"{SHOP}/rules/hang/edit", f"{SHOP}/activity?show=all"),
    *(f"{SHOP}/rules/hang/yaml", f"{SHOP}/rules/hang/moves", f"{SHOP}/rules/hang/history"),
    *(f"{SHOP}/activity?from=x", f"{SHOP}/customers/404", "/shops/999", "/audit?check"),
    *(f"/shops/{ORG}", f"/shops/{ORG}/rules", f"/shops/{ORG}/deliveries/dead", f"/shops/{ORG}/activity/load"),
]


def private() -> list[str]:
    """Every page that one sees after the sign-in, with something on it."""
    pages = [page for group in GROUPS for page in group.pages if page.method == "GET"]
    paths = [page.path.format_map(NAMES) for page in pages if page.path not in NO_PAGES]
    return [path if not path.endswith("/exclusion") else f"{path}?rule=vip" for path in paths] + MORE


PRIVATE = private()
WAYS: list[tuple[str, tuple[int, int], Scheme]] = [("vi", DESK, "light"), ("en", PHONE, "dark")]


def violations(page: Page) -> list[str]:
    """What axe finds, with the element."""
    page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(f"axe.run({{runOnly: {RULES}}})")
    return [f"{each['id']}: {node['html'][:120]}" for each in found["violations"] for node in each["nodes"]]


# each page in one of the two ways; the slow ones are each page in the other way
HALVES = [
    pytest.param(
        *way, PRIVATE[half::2], id=f"{name} {half}", marks=[pytest.mark.slow] if half != number else []
    )
    for number, (way, name) in enumerate(zip(WAYS, ("vi desk light", "en phone dark"), strict=True))
    for half in (0, 1)
]


@pytest.mark.parametrize(("language", "size", "scheme", "private_pages"), HALVES)
def test_axe_finds_nothing_and_nothing_is_too_wide(
    browser: Browser,
    site: Site,
    language: str,
    size: tuple[int, int],
    scheme: Scheme,
    private_pages: list[str],
) -> None:
    found = {}
    with visiting(browser, site, language=language, size=size, scheme=scheme) as visit:
        for path in PUBLIC:
            visit.go(path)
            found[path] = (violations(visit.page), max(0, visit.overflow()))
        visit.sign_in()
        for path in private_pages:
            visit.go(path)
            found[path] = (violations(visit.page), max(0, visit.overflow()))

    assert found == dict.fromkeys([*PUBLIC, *private_pages], ([], 0))


@pytest.mark.parametrize("path", PUBLIC)
def test_every_page_fits_at_twice_the_size(browser: Browser, site: Site, path: str) -> None:
    with visiting(browser, site, size=(640, 400)) as visit:  # 1280 pixels at 200 %
        visit.go(path)

        assert visit.overflow() <= 0


def test_axe_would_find_one(browser: Browser, site: Site) -> None:
    with visiting(browser, site) as visit:
        visit.go("/login")
        visit.page.evaluate("document.querySelector('label').remove()")

        assert any("label" in violation for violation in violations(visit.page))
