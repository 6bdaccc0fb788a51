"""A picture of the dashboard for the documents: python -m tests.browser.dashboard [FILE] [MINUTES]

Prometheus scrapes the demo for some minutes, in which a few webhooks have a wrong signature and Haravan fails for a while.
Then each query of the dashboard is run, and the answers are drawn in the dashboard's own layout. Grafana takes no part:
it is in no registry that this project installs from.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from io import StringIO
from pathlib import Path
from typing import Any, Final

import httpx2
from playwright.async_api import async_playwright
from rich.console import Console

from deploy.demonstration.environment import DemoEnvironment, Options, start
from deploy.demonstration.scenario import play_for_ever
from deploy.demonstration.view import Screen
from deploy.local import supervise
from service.locales import translator_for
from service.runtime import cancel_and_wait
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.panels import WIDTH, Line, draw_board, name_of
from tests.support.processes import ROOT
from tests.support.prometheus import query_range, scraping
from tests.support.sender import Sender

BOARD: Final = ROOT / "deploy/observability/service.json"
FILE: Final = ROOT / "deploy/docs/screenshots/dashboard.png"
MINUTES: Final = 6.0
TOKEN: Final = "metrics-token-0123"
SCRAPE_S: Final = 5
RATE_INTERVAL: Final = "30s"  # what Grafana makes of a scrape every five seconds, and of a panel this wide
OPTIONS: Final = Options(customers=400, pause_s=1.2)
DUPLICATES: Final = 0.1


async def main(file: Path, minutes: float) -> None:
    """Run the demo, and take the picture."""
    os.environ["METRICS_TOKEN"] = TOKEN  # the demo hands it to its processes
    addresses: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        supervisor = await stack.enter_async_context(supervise())
        demo = await stack.enter_async_context(
            start(OPTIONS, supervisor, lambda part, _, url: addresses.__setitem__(str(part), url))
        )
        playing = asyncio.create_task(
            play_for_ever(demo, Screen(Console(file=StringIO()), translator_for("en")), OPTIONS)
        )
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = addresses["web"]
        client = await stack.enter_async_context(scraping(folder, url, token=TOKEN, interval_s=SCRAPE_S))
        start_s = time.time()
        await disturb(demo, url, seconds=minutes * 60)
        page = await draw(client, start_s=start_s, end_s=time.time())
        await cancel_and_wait(playing)
    await take(page, file)


async def disturb(demo: DemoEnvironment, url: str, *, seconds: float) -> None:
    """What a day may have, in a few minutes: repeats, wrong signatures, and an outage of Haravan."""
    demo.haravan.deliveries.duplicate_rate = DUPLICATES
    await asyncio.sleep(seconds * 0.35)
    async with httpx2.AsyncClient(base_url=url) as client:
        for number in range(6):
            await Sender(client).deliver(b'{"id": %d}' % number, org=demo.haravan.org, secret="another")
    await asyncio.sleep(seconds * 0.1)
    demo.haravan.faults.fail(503, rate=1.0)
    await asyncio.sleep(seconds * 0.12)
    demo.haravan.faults.clear()
    await asyncio.sleep(seconds * 0.43)


async def draw(client: httpx2.AsyncClient, *, start_s: float, end_s: float) -> str:
    """The page with the answers to the queries of the dashboard."""
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    results = {
        number: [
            line
            for target in panel.get("targets", ())
            for line in await ask(client, target, start_s=start_s, end_s=end_s)
        ]
        for number, panel in enumerate(board["panels"])
    }
    note = (
        f"{(end_s - start_s) / 60:.0f} minutes of the demo, with a few wrong signatures and a minute in which Haravan "
        "fails. Drawn from the queries and the layout of service.json and the answers of Prometheus, not by Grafana."
    )
    return draw_board(board, results, start_s=start_s, end_s=end_s, note=note)


async def ask(
    client: httpx2.AsyncClient, target: dict[str, Any], *, start_s: float, end_s: float
) -> list[Line]:
    """The lines of one query."""
    expression = target["expr"].replace("$__rate_interval", RATE_INTERVAL)
    found = await query_range(client, expression, start_s=start_s, end_s=end_s, step_s=SCRAPE_S)
    return [
        Line(
            name_of(target.get("legendFormat", ""), series["metric"]),
            {at: float(value) for at, value in series["values"]},
            series["metric"],
        )
        for series in found
    ]


async def take(page: str, file: Path) -> None:
    """Save a picture of this page."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        tab = await browser.new_page(viewport={"width": WIDTH, "height": 800})
        await tab.set_content(page)
        await tab.screenshot(path=file, full_page=True)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(
        main(
            Path(sys.argv[1]) if len(sys.argv) > 1 else FILE,
            float(sys.argv[2]) if len(sys.argv) > 2 else MINUTES,
        )
    )
