"""The web process survives every failure of Redis: 503 while it lasts, then 200 without a restart."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from redis.exceptions import RedisError
from structlog.testing import capture_logs

from service.settings import Settings, read_settings
from service.store.client import RedisClient, keys
from service.store.client.connection import connect
from service.store.jobs import nightly
from tests.support.sender import Sender
from tests.support.shop import ORG, OTHER_ORG, add_shops, web_environ
from tests.support.valkey import ValkeyServer
from tests.support.wait import wait_until
from tests.support.web_server import app_client

numbers = count(1)
PASSWORD: Final = "a-password"


class Failing:
    """A web process, and the server that a test lets fail."""

    def __init__(self, server: ValkeyServer, redis: RedisClient, client: httpx2.AsyncClient) -> None:
        self.server = server
        self.redis: Any = redis
        self.client = client

    async def deliver(self, *, org: str = ORG) -> int:
        """The status of a new webhook."""
        body = b'{"id":%d}' % next(numbers)
        return (await Sender(self.client).deliver(body, org=org)).status_code

    async def answers(self, status: int) -> None:
        """Wait until webhooks get this status. Until then they get 200 or 503."""

        async def is_answered() -> bool:
            answer = await self.deliver()
            assert answer in (200, 503)
            return answer == status

        await wait_until(is_answered)

    async def readiness(self) -> dict[str, Any]:
        """What /readyz says."""
        return dict((await self.client.get("/readyz")).json())


@pytest.fixture
def own_settings(server: ValkeyServer) -> Settings:
    return read_settings(web_environ(server.url) | {"HARAVAN_ORG_ID": ORG, "HARAVAN_ACCESS_TOKEN": "t" * 20})


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ValkeyServer]:
    """A server on a port, with a file, so that its data outlives a kill."""
    folder = tmp_path / "store"
    folder.mkdir()
    server = ValkeyServer(
        folder,
        fsync="always",
        on_port=True,
        aof_load_truncated="no",
        loading_process_events_interval_bytes="1024",
        replica_serve_stale_data="no",
    )
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def failing(server: ValkeyServer, own_settings: Settings) -> AsyncIterator[Failing]:
    redis = connect(server.url, timeout_s=60)
    await add_shops(redis)
    async with app_client(own_settings) as client:
        failing = Failing(server, redis, client)
        await failing.answers(200)
        yield failing
    await redis.aclose()


async def _replica(failing: Failing) -> None:
    """It becomes a replica whose primary is up: READONLY."""
    await failing.redis.config_set("replica-serve-stale-data", "yes")
    await failing.redis.replicaof("127.0.0.1", "1")


async def _lost_primary(failing: Failing) -> None:
    """It becomes a replica that has lost its primary and does not serve its data: MASTERDOWN."""
    await failing.redis.replicaof("127.0.0.1", "1")


async def _primary(failing: Failing) -> None:
    await failing.redis.replicaof("NO", "ONE")


async def _no_memory(failing: Failing) -> None:
    """OOM: also before the monitor has seen it."""
    await failing.redis.config_set("maxmemory", "1")


async def _memory(failing: Failing) -> None:
    await failing.redis.config_set("maxmemory", "0")


async def _password(failing: Failing) -> None:
    """NOAUTH for every new connection, and every old one is closed."""
    await failing.redis.config_set("requirepass", PASSWORD)
    await failing.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def _no_password(failing: Failing) -> None:
    url = failing.server.url.replace("redis://", f"redis://:{PASSWORD}@")
    client: Any = connect(url, timeout_s=60)
    await client.config_set("requirepass", "")
    await client.aclose()


Step = Callable[[Failing], Awaitable[None]]


@pytest.mark.parametrize(
    ("fail", "repair"),
    [
        pytest.param(_replica, _primary, id="READONLY"),
        pytest.param(_lost_primary, _primary, id="MASTERDOWN"),
        pytest.param(_no_memory, _memory, id="OOM"),
        pytest.param(_password, _no_password, id="NOAUTH"),
    ],
)
async def test_webhooks_get_503_while_redis_refuses_and_200_afterwards(
    failing: Failing, fail: Step, repair: Step
) -> None:
    await fail(failing)
    await failing.answers(503)
    await repair(failing)

    await failing.answers(200)

    assert (await failing.client.get("/healthz")).status_code == 200


async def test_webhooks_get_503_while_redis_loads_its_file(failing: Failing) -> None:
    async with failing.redis.pipeline(transaction=False) as pipe:
        for number in range(400):
            pipe.set(f"filler:{number}", "x" * 100)
        await pipe.execute()
    await failing.redis.config_set("key-load-delay", "20000")  # microseconds for each key
    client: Any = connect(failing.server.url, timeout_s=60, patience_s=0)

    async def reload() -> None:
        with suppress(RedisError):  # the connection may end with the data that it asked about
            await client.execute_command("DEBUG", "RELOAD", "NOSAVE")

    await failing.redis.execute_command("SAVE")
    loading = asyncio.create_task(reload())
    await failing.answers(503)
    await loading
    await failing.redis.config_set("key-load-delay", "0")

    await failing.answers(200)
    await client.aclose()


async def test_cut_connections_cost_no_webhook_after_the_next_try(failing: Failing) -> None:
    for _ in range(3):
        await failing.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await failing.answers(200)


async def test_a_store_that_became_unfit_is_not_used_and_readiness_says_why(failing: Failing) -> None:
    await failing.redis.config_set("maxmemory", "1gb")
    await failing.redis.config_set("maxmemory-policy", "allkeys-lru")

    await failing.answers(503)
    said = await failing.readiness()
    assert said["ready"] is False
    assert "evicts" in [finding["name"] for finding in said["findings"]]

    await failing.redis.config_set("maxmemory-policy", "noeviction")
    await failing.answers(200)


async def test_an_emptied_store_gets_the_environments_shop_again_and_an_alert(
    failing: Failing, tmp_path: Path
) -> None:
    failing.server.kill()
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "store").mkdir()

    async def alerts() -> list[str]:  # they are sent beside the answers
        return [line["kind"] for line in logs if line["event"] == "alert"]

    with capture_logs() as logs:
        failing.server.start()
        await failing.answers(200)
        await wait_until(alerts)

    assert await alerts() == ["store_emptied"]
    assert await failing.redis.smembers(keys.partition_key(ORG, "shops")) == {ORG.encode()}
    assert len(await nightly.load_requests(failing.redis, ORG)) == 1
    assert await nightly.load_requests(failing.redis, OTHER_ORG) == []


async def test_a_shop_over_its_quota_gets_503_and_an_alert_and_the_others_200(
    server: ValkeyServer, own_settings: Settings
) -> None:
    redis = connect(server.url, timeout_s=60)
    await add_shops(redis)
    with capture_logs() as logs:
        async with app_client(replace(own_settings, shop_max_waiting=3)) as client:
            failing = Failing(server, redis, client)
            await failing.answers(503)
            text = (await client.get("/metrics")).text
            others = [await failing.deliver(org=OTHER_ORG) for _ in range(3)]
    await redis.aclose()

    assert others == [200, 200, 200]
    assert 'tagger_webhooks_failed_total{reason="over_quota"} 1.0' in text
    assert [(line["kind"], line["org"]) for line in logs if line["event"] == "alert"] == [
        ("shop_over_quota", ORG)
    ]
