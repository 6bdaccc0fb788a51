"""Liveness and readiness."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import pytest

from service.errors import InvalidSettings
from service.settings import Settings
from service.store.client import RedisClient
from service.store.jobs.shared_metrics import Counters
from service.store.shops.repository import ShopRepository
from service.web.health import check_store
from tests.support.sender import Sender
from tests.support.web_server import app_client


async def test_a_running_process_lives_and_is_ready(client: httpx2.AsyncClient) -> None:
    lives, ready = await client.get("/healthz"), await client.get("/readyz")

    assert (lives.status_code, ready.status_code) == (200, 200)
    assert ready.json()["workers"] == "not seen"


async def test_readiness_reports_the_workers_heartbeat(
    redis: RedisClient, client: httpx2.AsyncClient
) -> None:
    await Counters(redis).flush()

    assert (await client.get("/readyz")).json()["workers"] == "seen"


async def test_without_redis_it_lives_and_is_not_ready(settings: Settings) -> None:
    async with app_client(replace(settings, redis_url="unix:///nowhere/at/all")) as client:
        lives, ready, shown = [await client.get(path) for path in ("/healthz", "/readyz", "/metrics")]
        answer = await Sender(client).deliver(b'{"id": 7}')

    assert (lives.status_code, ready.status_code, answer.status_code) == (200, 503, 503)
    assert answer.headers["retry-after"] == "1"
    assert "tagger_redis_up 0.0" in shown.text


async def test_a_redis_that_would_lose_data_stops_the_start(
    shops: ShopRepository, settings: Settings
) -> None:
    with pytest.raises(InvalidSettings, match="DURABILITY=everysec"):
        async with app_client(replace(settings, durability="fsync")):
            pass


async def test_a_redis_that_would_lose_data_is_found_before_the_server_starts(
    shops: ShopRepository, settings: Settings
) -> None:
    with pytest.raises(InvalidSettings, match="DURABILITY=everysec"):
        await check_store(replace(settings, durability="fsync"))


async def test_a_redis_that_is_down_does_not_stop_the_start(settings: Settings) -> None:
    await check_store(replace(settings, redis_url="unix:///nowhere/at/all"))
