"""A worker process meets every way in which Redis refuses to work: it says so once, survives, and goes on afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import (
    DataError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    WatchError,
)

from deploy.sandbox import Sandbox, ShopHandle, serve
from service.alerts import Alerts
from service.domain.customers.customer import CustomerId, OrgId
from service.domain.documents.parser import parse_rules
from service.settings import read_settings
from service.store.client.connection import connect
from service.store.client.queue_pool import connect_queue
from service.store.encryption.keyring import KeyRing
from service.store.queue import dirty
from service.store.rules import Versions
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.support.valkey import ValkeyServer
from tests.workers.stage import VIP
from workers.main import WorkerProcess
from workers.store_outage import StoreOutage, describe_outage

KEY: Final = "0123456789abcdef" * 2
ORG: Final = OrgId("1000000001")
DURATION_S: Final = 3.0  # many passes of every loop
SETTLED_S: Final = (
    600.0  # a busy machine that stands still for seconds must not look like the end of the outage
)

Fault = Callable[[Any, "Front"], Awaitable[None]]


class Front:
    """Stands in front of the server. Answers each command with `error` while one is set, and can cut connections."""

    def __init__(self) -> None:
        self.error = b""
        self.refuses = False
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End every connection."""
        for writer in self._writers:
            writer.close()

    async def handle(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        if self.refuses:
            writer.close()
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        self._writers |= {writer, server_writer}
        back = asyncio.create_task(self._copy(server_reader, writer))
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while command := await self._command(reader):
                if self.error:
                    writer.write(self.error)
                else:
                    server_writer.write(command)
        writer.close()
        server_writer.close()
        await back

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def _command(self, reader: asyncio.StreamReader) -> bytes:
        """One command as it was sent: an array of bulk strings."""
        head = await reader.readline()
        parts = [head]
        for _ in range(int(head[1:] or 0)):
            size = await reader.readline()
            parts += [size, await reader.readexactly(int(size[1:]) + 2)]
        return b"".join(parts)


def answers(error: bytes) -> tuple[Fault, Fault]:
    async def begin(_: Any, front: Front) -> None:
        front.error = b"-" + error + b"\r\n"

    async def end(_: Any, front: Front) -> None:
        front.error = b""

    return begin, end


def commands(begin: list[tuple[str, ...]], end: list[tuple[str, ...]]) -> tuple[Fault, Fault]:
    async def execute(client: Any, front: Front, lines: list[tuple[str, ...]]) -> None:
        for line in lines:
            await client.execute_command(*line)
        front.cut()

    return (
        lambda client, front: execute(client, front, begin),
        lambda client, front: execute(client, front, end),
    )


async def _refuse(_: Any, front: Front) -> None:
    front.refuses = True
    front.cut()


async def _accept(_: Any, front: Front) -> None:
    front.refuses = False


OUTAGE: Final = ("store", "unavailable")
AWAY = ("REPLICAOF", "127.0.0.1", "1")
FAULTS: Final[dict[str, tuple[Fault, Fault]]] = {
    "loading": answers(b"LOADING Valkey is loading the dataset in memory"),
    "unreachable": (_refuse, _accept),
    "out_of_memory": commands([("CONFIG", "SET", "maxmemory", "1")], [("CONFIG", "SET", "maxmemory", "0")]),
    "read_only": commands([AWAY], [("REPLICAOF", "NO", "ONE")]),
    "primary_down": commands(
        [("CONFIG", "SET", "replica-serve-stale-data", "no"), AWAY], [("REPLICAOF", "NO", "ONE")]
    ),
    "not_authenticated": commands(
        [("CONFIG", "SET", "requirepass", "secret")], [("CONFIG", "SET", "requirepass", "")]
    ),
}


@asynccontextmanager
async def front_of(port: int) -> AsyncIterator[tuple[Front, str]]:
    front = Front()
    server = await asyncio.start_server(lambda r, w: front.handle(port, r, w), "127.0.0.1", 0)
    try:
        yield front, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        front.cut()
        server.close()


@pytest.mark.process
@pytest.mark.timeout(180)
@pytest.mark.parametrize("cause", FAULTS)
async def test_a_worker_survives_an_outage_says_so_once_and_works_on(tmp_path: Path, cause: str) -> None:
    server = ValkeyServer(tmp_path, on_port=True)
    server.start()
    sandbox = Sandbox()
    shop = sandbox.add_shop(org=ORG)
    begin, end = FAULTS[cause]
    port = int(server.url.rpartition(":")[2].removesuffix("/0"))
    try:
        async with serve(sandbox) as api, front_of(port) as (front, url), connect(server.url) as client:
            await _add_shop(client, shop, api)
            settings = read_settings({"REDIS_URL": url, "SECRET_KEY": KEY, "DURABILITY": "everysec"})
            process = WorkerProcess(settings, sweep_interval_s=0.05, settled_s=SETTLED_S)
            with structlog.testing.capture_logs() as logged:
                running = asyncio.create_task(process.run())
                await _becomes_right(client, shop)
                await begin(client, front)
                await _until_said(logged, cause)
                await asyncio.sleep(DURATION_S)
                assert not running.done()
                await end(client, front)
                await _becomes_right(client, shop)
                process.stop()
                await running
    finally:
        server.kill()

    said = Counter((line["event"], line.get("outcome"), line.get("cause")) for line in logged)
    assert said["store", "unavailable", cause] == 1
    alerts = Counter(line["kind"] for line in logged if line["event"] == "alert")
    assert alerts["store_unavailable"] == 1
    assert max(alerts.values()) == 1  # a replica is also unfit
    # the cut connections and refused transactions of an outage are causes of their own, each said once
    assert max(count for (event, outcome, _), count in said.items() if (event, outcome) == OUTAGE) == 1
    others = [
        line
        for line in logged
        if line["log_level"] in ("warning", "error")
        and line["event"] not in ("alert", "store_check")
        and (line["event"], line.get("outcome")) != OUTAGE
    ]
    assert len(others) <= 3, others


async def _add_shop(client: Any, shop: ShopHandle, api: str) -> None:
    await ShopRepository(client, KeyRing((KEY,))).add(
        Shop(ORG, "Cửa hàng thử", "omni", f"{api}/com", shop.token)
    )
    await Versions(client).publish(ORG, parse_rules(VIP), author="test", parent=0)


async def _becomes_right(client: Any, shop: ShopHandle) -> None:
    customer = shop.create(total_spent=12_000_000)
    await dirty.mark_dirty_customers(client, ORG, [CustomerId(customer)], cause="replay:R0")
    async with asyncio.timeout(60):
        while shop.tags(customer) != {"VIP"}:  # noqa: ASYNC110  # the sandbox tells nobody
            await asyncio.sleep(0.02)


async def _until_said(logged: list[Any], cause: str) -> None:
    async with asyncio.timeout(60):
        while not any(line.get("cause") == cause for line in logged):  # noqa: ASYNC110  # nor does a log
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RedisConnectionError("away"), "unreachable"),
        (ConnectionResetError("closed"), "unreachable"),
        (TimeoutError(), "unreachable"),
        (OutOfMemoryError("command not allowed"), "out_of_memory"),
        (ReadOnlyError("You can't write against a read only replica."), "read_only"),
        (ResponseError("Command # 1 (GET a) of pipeline caused error: MASTERDOWN Link"), "primary_down"),
        (ResponseError("MISCONF Errors writing to the AOF file"), "disk_failed"),
        (ResponseError("ERR Error running script"), None),
        (DataError("Invalid input of type"), None),
        (WatchError("changed meanwhile"), None),
        (FileNotFoundError("rules.yaml"), None),
        (ValueError("a bug"), None),
    ],
)
def test_an_outage_is_told_from_a_bug(error: Exception, cause: str | None) -> None:
    outage = describe_outage(error)

    assert (outage[0] if outage else None) == cause


@pytest.mark.timeout(60)
async def test_a_connection_that_ends_while_it_has_keys_watched_is_an_outage(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path, on_port=True)
    server.start()
    port = int(server.url.rpartition(":")[2].removesuffix("/0"))
    try:
        async with front_of(port) as (front, url), connect_queue(url) as pool, pool.pipeline() as pipe:
            await pipe.watch("key")
            await _refuse(None, front)
            with pytest.raises(WatchError) as raised:
                await pipe.exists("key")
    finally:
        server.kill()

    assert (describe_outage(raised.value) or [None])[0] == "unreachable"


async def test_reads_that_work_while_writes_fail_do_not_end_the_outage(redis: Any) -> None:
    now = 0.0
    outage = StoreOutage(Alerts(redis), monotonic=lambda: now)
    refused: list[RedisError] = [OutOfMemoryError("full")]
    with structlog.testing.capture_logs() as logged:
        for second in range(100):
            now = float(second)
            outage.report_failure(refused[0])
            outage.report_success()
        now = 200.0
        outage.report_success()
        outage.report_success()

    assert [(line["event"], line["outcome"]) for line in logged if line["event"] == "store"] == [
        ("store", "unavailable"),
        ("store", "available"),
    ]
