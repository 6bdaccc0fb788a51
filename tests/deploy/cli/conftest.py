"""The command line with a real Redis server and the sandbox as Haravan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from deploy.sandbox import Sandbox, serve
from service.alerts import Alerts
from service.context import Context
from service.cpu_pool import InProcess
from service.domain.customers.customer import OrgId
from service.runtime.tasks import cancel_and_wait
from service.store.client import RedisClient
from service.store.encryption.keyring import KeyRing
from service.store.rules import Versions
from service.store.shops import save_first_look
from service.store.shops.repository import ShopRepository
from tests.deploy.cli.environment import (
    ORG,
    TOKEN,
    CliEnvironment,
    CommandResult,
    run_in_process,
    write_rules,
)
from workers.periodic.pending_jobs import PendingJobs
from workers.periodic.scheduler import run_every
from workers.store_outage import StoreOutage


@pytest.fixture
async def environment(
    redis_url: str, queue_url: str, redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[CliEnvironment]:
    context = Context(redis, ShopRepository(redis, KeyRing(["0123456789abcdef" * 2])), Versions(redis))
    jobs = PendingJobs(context, InProcess(context))
    working = asyncio.create_task(
        run_every(0.05, jobs.run, "pending_job", StoreOutage(Alerts(redis)))
    )  # a worker's part
    sandbox = Sandbox()
    haravan = sandbox.add_shop(org=ORG, token=TOKEN)
    haravan.populate(20, seed=1)
    async with serve(sandbox) as url:
        for name, value in {
            "REDIS_URL": redis_url,
            "QUEUE_URL": queue_url,
            "SECRET_KEY": "0123456789abcdef" * 2,
            "HARAVAN_SUBSCRIBE_URL": f"{url}/api/subscribe",
            "COLUMNS": "160",
            "LC_ALL": "C.UTF-8",
        }.items():
            monkeypatch.setenv(name, value)

        async def tagger(*words: str, stdin: str = "") -> CommandResult:
            return await asyncio.to_thread(run_in_process, words, stdin)

        yield CliEnvironment(haravan, url, tagger)
    await cancel_and_wait(working)
    structlog.reset_defaults()  # the commands quieten it


@pytest.fixture
async def shop(new_shop: CliEnvironment, redis: RedisClient) -> CliEnvironment:
    """The sandbox's shop, added, with a complete first look."""
    await save_first_look(redis, OrgId(ORG), "complete")
    return new_shop


@pytest.fixture
async def new_shop(environment: CliEnvironment) -> CliEnvironment:
    """The sandbox's shop, added."""
    result = await environment.tagger(
        "shops",
        "add",
        ORG,
        "--name",
        "Nhà Gốm",
        "--api-url",
        f"{environment.url}/com",
        "--token-stdin",
        stdin=TOKEN,
    )
    assert result.code == 0, result.err
    return environment


@pytest.fixture
def vietnamese(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line speaks Vietnamese in this test. Otherwise it speaks English, as the locale of the tests says."""
    monkeypatch.setenv("TAGGER_LANG", "vi")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A file with one rule, from 10 million."""
    return write_rules(tmp_path, 10_000_000)
