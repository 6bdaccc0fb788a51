"""Screenshots of the pages for the README, from the demo's data: python -m tests.browser.screenshots [FOLDER]"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page, async_playwright

from deploy.demonstration.environment import PAST_ORG, Options, start
from deploy.local import supervise
from service.sentence import Sentence
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.site import DESK, PHONE

FOLDER: Final = Path("deploy/docs/screenshots")
SHOP: Final = f"/shops/{PAST_ORG}"
CUSTOMERS: Final = 400


@dataclass(frozen=True, slots=True)
class Shot:
    """A page, as the README shows it."""

    name: str
    path: str
    size: tuple[int, int] = DESK
    dark: bool = False
    language: str = "vi"


README: Final = (
    Shot("rules", f"{SHOP}/rules"),
    Shot("editor", f"{SHOP}/rules/vip/edit"),
    Shot("customer", f"{SHOP}/customers/VIP"),
    Shot("charts", f"{SHOP}/activity/load"),
    Shot("activity-dark", f"{SHOP}/activity", dark=True),
    Shot("phone", SHOP, size=PHONE),
)


async def main(folder: Path, shots: tuple[Shot, ...]) -> None:
    """Start the demo, sign in as its owner, and take the pictures."""
    links: dict[str, str] = {}
    async with supervise() as supervisor, async_playwright() as playwright:
        options = Options(customers=CUSTOMERS)

        def ready(part: Sentence, _: Sentence, address: str) -> None:
            links[str(part)] = address

        async with start(options, supervisor, ready) as environment:
            assert environment.past_shop is not None
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            state = await _sign_in(browser, links["pages"])
            await _retry_letters(browser, state, links["web"])
            tagged = next(
                each for each in environment.past_shop.ids() if "VIP" in environment.past_shop.tags(each)
            )
            for shot in shots:
                path = shot.path.replace("/customers/VIP", f"/customers/{tagged}")
                await _take(browser, state, f"{links['web']}{path}", shot, folder)
            await browser.close()


async def _sign_in(browser: Browser, link: str) -> str:
    """Sign in with the link that the demo prints. Returns the file with the cookies."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(link)
    await page.locator("form button.primary").first.click()
    await page.wait_for_load_state()
    with tempfile.NamedTemporaryFile(suffix=".json", delete=False) as file:
        await context.storage_state(path=file.name)
    await context.close()
    return file.name


async def _retry_letters(browser: Browser, state: str, url: str) -> None:
    """Retry the dead letters, as a person would, and wait until the health strip is content."""
    context = await browser.new_context(storage_state=state)
    page = await context.new_page()
    await page.goto(f"{url}{SHOP}/deliveries/dead")
    await page.locator('button[value="all"]').click()
    await page.locator(".strip.good, .strip.warning").wait_for(timeout=60_000)
    await context.close()


async def _take(browser: Browser, state: str, url: str, shot: Shot, folder: Path) -> None:
    width, height = shot.size
    context = await browser.new_context(
        storage_state=state,
        viewport={"width": width, "height": height},
        is_mobile=shot.size == PHONE,
        device_scale_factor=2 if shot.size == PHONE else 1,
        color_scheme="dark" if shot.dark else "light",
    )
    page: Page = await context.new_page()
    await page.goto(f"{url}?lang={shot.language}" if shot.language != "vi" else url)
    await page.wait_for_load_state("networkidle")
    await page.screenshot(path=folder / f"{shot.name}.png")
    await context.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER, README))
