"""Liveness, readiness, and the metrics."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import httpx2
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from service.errors import InvalidSettings
from service.settings import Settings
from service.store.client import RedisClient
from service.store.jobs.worker_metrics import Counters
from service.store.shops.repository import ShopRepository
from service.web.health import check_store
from service.web.metrics import CACHE_S, Metrics
from tests.support.sender import Sender
from tests.support.shop import ORG, OTHER_ORG, web_environ
from tests.support.web_server import app_client

METRICS_TOKEN = "metrics-token-0123"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def numbers(client: httpx2.AsyncClient, token: str = METRICS_TOKEN) -> Samples:
    """Every sample of /metrics."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    text = (await client.get("/metrics", headers=headers)).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@dataclass
class Clock:
    """A clock that a test advances."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def environ(redis_url: str) -> dict[str, str]:
    return web_environ(redis_url) | {"METRICS_TOKEN": METRICS_TOKEN}


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


async def test_deliveries_are_counted_by_topic_and_outcome(client: httpx2.AsyncClient) -> None:
    sender = Sender(client)
    await sender.deliver(b'{"id": 7}')
    await sender.deliver(b'{"id": 7}', topic="made/up")
    await sender.deliver(b"nonsense")
    await sender.deliver(b'{"id": 7}', secret="wrong")

    seen = await numbers(client)

    def deliveries(topic: str, outcome: str) -> float:
        return seen["tagger_deliveries_total", (("outcome", outcome), ("topic", topic))]

    assert deliveries("customers/update", "marked") == 1
    assert deliveries("other", "ignored:no_customer") == 1
    assert deliveries("customers/update", "ignored:unreadable") == 1
    assert seen["tagger_webhooks_rejected_total", (("reason", "bad_signature"),)] == 1
    assert seen["tagger_webhook_ack_seconds_count", ()] == 3
    assert seen["tagger_queue_customers", (("org", ORG), ("state", "live"))] == 1


async def test_a_scanner_adds_no_metric(client: httpx2.AsyncClient) -> None:
    sender = Sender(client)

    async def scan(word: str) -> None:
        for path in (
            f"/{word}",
            f"/{word}.php?{word}={word}",
            f"/ops/v1/{word}",
            f"/ops/v1/shops/{word}/status",
        ):
            await client.get(path)
            await client.request(word, path)
            await client.get(path, headers={"Authorization": f"Bearer {word}", "X-Forwarded-For": word})
        await client.post(f"/webhooks/{word}", content=word)
        await sender.deliver(b'{"id": 7}', topic=word, org=word, secret=word)
        await sender.deliver(b'{"id": 7}', topic=f"customers/{word}", secret=word)

    await scan("first")
    before = (await numbers(client)).keys()
    for number in range(200):
        await scan(f"w{number:x}p-admin")

    assert (await numbers(client)).keys() == before


async def test_metrics_include_the_workers_counters(redis: RedisClient, client: httpx2.AsyncClient) -> None:
    counters = Counters(redis)
    counters.add("api_requests", endpoint="POST tags", status="200")
    counters.add("api_requests", 2, endpoint="GET customer", status="none")
    counters.observe("api_request_seconds", 0.25, endpoint="POST tags")
    counters.add("unheard_of")
    await counters.flush()
    counters.add("api_requests", endpoint="POST tags", status="200")
    await counters.flush()

    seen = await numbers(client)

    assert seen["tagger_api_requests_total", (("endpoint", "POST tags"), ("status", "200"))] == 2
    assert seen["tagger_api_requests_total", (("endpoint", "GET customer"), ("status", "none"))] == 2
    assert seen["tagger_api_request_seconds_sum", (("endpoint", "POST tags"),)] == 0.25
    assert seen["tagger_api_request_seconds_count", (("endpoint", "POST tags"),)] == 1
    assert not any("unheard" in name for name, _ in seen)


async def test_only_the_token_shows_shops(redis: RedisClient, client: httpx2.AsyncClient) -> None:
    for org in (ORG, OTHER_ORG):
        await Sender(client).deliver(b'{"id": 7}', org=org)
    counters = Counters(redis)
    counters.add("list_mismatches", org=ORG)
    counters.add("list_mismatches", 2, org=OTHER_ORG)
    await counters.flush()

    anonymous, with_token = await numbers(client, token=""), await numbers(client)

    assert anonymous["tagger_queue_customers", (("state", "live"),)] == 2
    assert with_token["tagger_queue_customers", (("org", ORG), ("state", "live"))] == 1
    assert anonymous["tagger_list_mismatches_total", ()] == 3
    assert with_token["tagger_list_mismatches_total", (("org", OTHER_ORG),)] == 2
    assert not any(ORG in str(labels) or OTHER_ORG in str(labels) for _, labels in anonymous)
    assert {name for name, _ in anonymous} == {name for name, _ in with_token}


@pytest.mark.parametrize("authorization", ["Bearer wrong", "Basic " + METRICS_TOKEN, METRICS_TOKEN, "Bearer"])
async def test_a_wrong_token_is_refused(client: httpx2.AsyncClient, authorization: str) -> None:
    answer = await client.get("/metrics", headers={"Authorization": authorization})

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_without_the_setting_nobody_sees_shops(shops: ShopRepository, settings: Settings) -> None:
    async with app_client(replace(settings, metrics_token="")) as client:
        assert not any("org" in dict(labels) for _, labels in await numbers(client))


async def test_the_store_is_asked_once_in_five_seconds_however_many_ask(
    redis: RedisClient, shops: ShopRepository, clock: Clock
) -> None:
    metrics = Metrics(redis, shops, CollectorRegistry(), clock=clock)

    async def scripts() -> int:
        return int((await redis.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0))

    before = await scripts()
    shown = await asyncio.gather(*(metrics.render(by_shop=number % 2 == 0) for number in range(20)))
    first = await scripts()
    clock.now += CACHE_S - 0.1
    await metrics.render(by_shop=True)
    cached = await scripts()
    clock.now += 0.2
    await metrics.render(by_shop=True)

    assert len(set(shown)) == 2
    assert (first - before, cached - first, await scripts() - cached) == (2, 0, 2)  # one call for each shop


async def test_every_metric_has_a_help_text(client: httpx2.AsyncClient) -> None:
    text = (await client.get("/metrics")).text

    assert all(len(family.documentation) > 20 for family in text_string_to_metric_families(text))
