"""The worker process as a whole: its store goes away and comes back, it is told to stop, it cannot read its rules."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from service.domain.customers.customer import CustomerId, OrgId
from service.domain.documents.parser import parse_rules
from service.settings import Settings, read_settings
from service.store.client import RedisClient, keys
from service.store.client.connection import connect
from service.store.encryption.keyring import KeyRing
from service.store.queue import dirty
from service.store.rules import Versions
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.support.valkey import ValkeyServer
from tests.workers.stage import VIP
from workers.main import WorkerProcess

KEY = "0123456789abcdef" * 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey that the test starts and kills."""
    server = ValkeyServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def unheard() -> list[str]:
    """What asyncio says of exceptions that nobody retrieved."""
    return []


def _settings(server: ValkeyServer, **more: str) -> Settings:
    return read_settings({"REDIS_URL": server.url, "SECRET_KEY": KEY, "DURABILITY": "everysec", **more})


async def _until_logged(logged: list[Any], **fields: str) -> None:
    async with asyncio.timeout(60):
        while True:
            if any(fields.items() <= each.items() for each in logged):
                return
            await asyncio.sleep(0.01)


async def _until_seen(server: ValkeyServer) -> None:
    """Until a worker has written something: it is at work."""
    async with asyncio.timeout(60), connect(server.url) as client:
        while True:
            if await client.exists(*keys.of_partitions("counters")):
                return
            await asyncio.sleep(0.01)


def _listen(unheard: list[str]) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, told: unheard.append(str(told)))


async def test_a_store_that_is_back_is_found_again(server: ValkeyServer, unheard: list[str]) -> None:
    _listen(unheard)
    server.start()
    process = WorkerProcess(_settings(server), jitter=lambda: 0.0, sweep_interval_s=0.05)
    running = asyncio.create_task(process.run())
    await _until_seen(server)
    with structlog.testing.capture_logs() as logged:
        server.kill()
        await _until_logged(logged, event="store", outcome="unavailable")
        server.start()
        await _until_seen(server)
        process.stop()
        await running

    gc.collect()
    assert unheard == []


async def test_a_worker_that_is_told_to_stop_ends_between_two_looks_at_its_queue(
    server: ValkeyServer,
) -> None:
    server.start()
    process = WorkerProcess(_settings(server), sweep_interval_s=0.05)
    with structlog.testing.capture_logs():
        running = asyncio.create_task(process.run())
        await _until_seen(server)
        async with asyncio.timeout(60):
            while not _arqs():  # noqa: ASYNC110  # that it starts is told by nothing else
                await asyncio.sleep(0.01)
        [arq] = _arqs()
        process.stop()
        await running

    assert not arq.cancelled()


def _arqs() -> list[asyncio.Task[Any]]:
    return [each for each in asyncio.all_tasks() if "Worker.async_run" in repr(each)]


async def _until_arq_ends() -> None:
    async with asyncio.timeout(60):
        while _arqs():  # noqa: ASYNC110  # that it ends is told by nothing else
            await asyncio.sleep(0.01)


async def test_a_worker_whose_store_dies_between_its_last_jobs_leaves_nothing_unheard(
    server: ValkeyServer, unheard: list[str]
) -> None:
    _listen(unheard)
    server.start()
    held: list[asyncio.StreamWriter] = []
    called = asyncio.Semaphore(0)

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        called.release()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as api, connect(server.url) as client:
        for org in ("1", "2"):
            await _marked_shop(client, OrgId(org), port=api.sockets[0].getsockname()[1])
        process = WorkerProcess(_settings(server), sweep_interval_s=0.05)
        with structlog.testing.capture_logs():
            running = asyncio.create_task(process.run())
            for _ in range(2):
                await called.acquire()
            process.stop()
            server.kill()
            held[0].close()
            await _until_arq_ends()
            held[1].close()
            await running

    gc.collect()
    assert unheard == []


async def _marked_shop(redis: RedisClient, org: OrgId, *, port: int) -> None:
    shop = Shop(org, "Cửa hàng thử", "omni", f"http://127.0.0.1:{port}/com", "token")
    await ShopRepository(redis, KeyRing((KEY,))).add(shop)
    await Versions(redis).publish(org, parse_rules(VIP), author="test", parent=0)
    await dirty.mark_dirty_customers(redis, org, [CustomerId(7)], cause="replay:R0")


@pytest.mark.parametrize(
    "rules", [b"rules: [{id: vip}]", "# khách".encode("latin-1")], ids=["wrong", "not UTF-8"]
)
async def test_rules_that_cannot_be_read_are_told_and_the_worker_works_on(
    server: ValkeyServer, tmp_path: Path, rules: bytes
) -> None:
    (tmp_path / "rules.yaml").write_bytes(rules)
    server.start()
    settings = _settings(
        server,
        HARAVAN_ORG_ID="1000000001",
        HARAVAN_ACCESS_TOKEN="token",
        RULES_FILE=str(tmp_path / "rules.yaml"),
    )
    process = WorkerProcess(settings, sweep_interval_s=0.05)
    with structlog.testing.capture_logs() as logged:
        running = asyncio.create_task(process.run())
        await _until_logged(logged, event="seed", outcome="failed")
        await _until_seen(server)
        process.stop()
        await running
