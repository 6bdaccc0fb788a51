"""Chromium in front of the running system: sandbox, web server, worker and a Valkey of its own, once for all tests.

Skipped where Chromium is missing. Debian: `apt-get install chromium fonts-noto-core`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import Browser, sync_playwright

from deploy.sandbox import ShopHandle
from service.context import Context
from service.domain.access import Role, shell_user
from service.operations import access
from service.store.access import users
from service.store.client import connect
from service.store.shops import Shop
from tests.browser.site import NO_API, PASSWORD, PAST_ORG, Site
from tests.support.past import store_past
from tests.support.shop import ORG
from tests.support.valkey import valkey
from tests.system.environment import running

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SKIP = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs Chromium, and time on a busy machine."""
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(SKIP)
            item.add_marker(pytest.mark.process)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The running system with a user for each role."""
    with (
        valkey(tmp_path_factory.mktemp("browser-valkey")) as redis_url,
        start_blocking_portal("asyncio", {"use_uvloop": sys.platform != "win32"}) as portal,
        portal.wrap_async_context_manager(_started(redis_url)) as started,
    ):
        yield Site(*started, portal)


@asynccontextmanager
async def _started(redis_url: str) -> AsyncIterator[tuple[Context, ShopHandle, str]]:
    redis = connect(redis_url, timeout_s=60)
    try:
        async with running(redis, redis_url, environ={"DEVELOPMENT": "yes"}) as system:
            context = Context(redis, system.shops, system.versions)
            await system.shops.add(
                Shop(org=PAST_ORG, name="Gốm Chu Đậu", dialect="omni", api_url=NO_API, token="t" * 20)
            )
            await store_past(redis, system.shops, PAST_ORG)
            for role in Role:
                shops = None if role is Role.OWNER else frozenset([ORG])
                await access.add_user(
                    context, role, f"{role}@example.com", role, shops=shops, by=shell_user("test")
                )
                user = await users.find(redis, role)
                assert user is not None
                await access.set_password(context, user, old=None, new=PASSWORD, agent="")
            yield context, system.haravan, system.url
    finally:
        await redis.aclose()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window. It ends with its module: while Playwright runs, no other test could run an event loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
