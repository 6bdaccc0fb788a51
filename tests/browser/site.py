"""The site that the browser visits, and pages that notice what a person would not: errors, refused scripts, overflow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pytest
from anyio.from_thread import BlockingPortal
from playwright.sync_api import Browser, Locator, Page, expect

from deploy.sandbox import ShopHandle
from service.context import Context
from service.domain.access import Role
from service.domain.customers import OrgId

PAST_ORG: Final = OrgId("1000000009")  # a shop with three weeks of history, whose API does not answer
NO_API: Final = "http://127.0.0.1:9/com"
PASSWORD: Final = "mật khẩu rất dài"
TIMEOUT_MS: Final = 60_000  # a busy machine
DESK: Final = (1280, 800)
PHONE: Final = (390, 844)
EXPECTED_STATUSES: Final = ("401", "403", "404", "409", "422", "429")  # Chromium calls each of them an error
Scheme = Literal["light", "dark"]
FOUR_WAYS: Final = pytest.mark.parametrize(
    ("language", "size", "scripts"),  # in pairs, not in all eight combinations
    [
        pytest.param("vi", DESK, True, id="vi desk"),
        pytest.param("en", DESK, False, id="en desk without scripts"),
        pytest.param("vi", PHONE, False, id="vi phone without scripts"),
        pytest.param("en", PHONE, True, id="en phone"),
    ],
)


@dataclass(slots=True)
class Site:
    """The running system."""

    context: Context
    haravan: ShopHandle  # the shop in the sandbox; to be used in the loop of the system
    url: str
    portal: BlockingPortal

    def call(self, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Call a coroutine function in the loop of the system."""
        return self.portal.call(function, *arguments)


@dataclass(slots=True)
class Visit:
    """A page of the browser with the errors and warnings that it reports."""

    site: Site
    page: Page
    language: str
    findings: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Visit a page."""
        self.page.goto(f"{self.site.url}{path}")

    def sign_in(self, role: Role = Role.OWNER, password: str = PASSWORD) -> None:
        """Fill in the form of the sign-in."""
        self.go("/login")
        self.page.get_by_label("E-mail").fill(f"{role}@example.com")
        self.page.locator("#password").fill(password)
        self.follow(self.page.locator("button.primary"))

    def follow(self, control: Locator, *, by_keyboard: bool = False) -> None:
        """Press a link or button that leads to another page, and wait until that page and its scripts are loaded.

        Without this, what follows may still meet the page before, or the next one without its listeners.
        """
        with self.page.expect_navigation():
            if by_keyboard:
                control.press("Enter")
            else:
                control.click()

    def path(self) -> str:
        """Where the browser is."""
        return self.page.url.removeprefix(self.site.url)

    def overflow(self) -> int:
        """Pixels that the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@contextmanager
def visiting(
    browser: Browser,
    site: Site,
    *,
    size: tuple[int, int] = DESK,
    language: str = "vi",
    scripts: bool = True,
    scheme: Scheme = "light",
) -> Iterator[Visit]:
    """A browser of somebody else: nothing is kept from earlier tests. At the end nothing may have been reported."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        is_mobile=size == PHONE,
        has_touch=size == PHONE,
        java_script_enabled=scripts,
        color_scheme=scheme,
    )
    context.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    visit = Visit(site, context.new_page(), language)
    context.on("console", lambda message: _collect(visit, message.type, message.text))
    context.on("weberror", lambda error: visit.findings.append(str(error.error)))
    try:
        if language != "vi":
            visit.go(f"/login?lang={language}")
        yield visit
        assert visit.findings == []
    finally:
        context.close()


def _collect(visit: Visit, kind: str, text: str) -> None:
    is_status = text.startswith("Failed to load resource") and any(each in text for each in EXPECTED_STATUSES)
    if kind in ("error", "warning") and not is_status:
        visit.findings.append(text)
