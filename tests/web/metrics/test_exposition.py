"""/metrics: what it counts, who sees shops, and how often Redis is asked."""

from __future__ import annotations

import asyncio
import platform
from dataclasses import dataclass, replace

import httpx2
import pytest
from arq.connections import ArqRedis
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from service.domain.customers import OrgId
from service.runtime import program_version
from service.settings import Settings
from service.store.client import keys
from service.store.jobs import Counters
from service.store.shops import Shop, ShopRepository
from service.web.metrics.exposition import CACHE_S, MAX_SHOPS, Metrics
from tests.support.sender import Sender
from tests.support.shop import ORG, OTHER_ORG, web_environ
from tests.support.store import count_calls
from tests.support.web_server import app_client

METRICS_TOKEN = "metrics-token-0123"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    """Every sample of an exposition."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def numbers(client: httpx2.AsyncClient, token: str = METRICS_TOKEN) -> Samples:
    """Every sample of /metrics."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return samples((await client.get("/metrics", headers=headers)).text)


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
def environ(redis_url: str, queue_url: str) -> dict[str, str]:
    return web_environ(redis_url, queue_url) | {"METRICS_TOKEN": METRICS_TOKEN}


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
            await client.get(path, headers={"Host": f"{word}.example", "User-Agent": word})
        await client.post(f"/webhooks/{word}", content=word)
        await sender.deliver(b'{"id": 7}', topic=word, org=word, secret=word)
        await sender.deliver(b'{"id": 7}', topic=f"customers/{word}", secret=word)

    await scan("first")
    before = (await numbers(client)).keys()
    for number in range(200):
        await scan(f"w{number:x}p-admin")

    assert (await numbers(client)).keys() == before


async def test_metrics_include_the_workers_counters(redis: ArqRedis, client: httpx2.AsyncClient) -> None:
    counters = Counters(redis)
    counters.add("api_requests", endpoint="POST tags", status="200")
    counters.add("api_requests", 2, endpoint="GET customer", status="none")
    counters.observe("api_request_seconds", 0.25, endpoint="POST tags")
    counters.observe("api_request_seconds", 60, endpoint="POST tags")
    await counters.flush()
    counters.add("api_requests", endpoint="POST tags", status="200")
    await counters.flush()

    seen = await numbers(client)

    assert seen["tagger_api_requests_total", (("endpoint", "POST tags"), ("status", "200"))] == 2
    assert seen["tagger_api_requests_total", (("endpoint", "GET customer"), ("status", "none"))] == 2

    def finished_within(bound: str) -> float:
        return seen["tagger_api_request_seconds_bucket", (("endpoint", "POST tags"), ("le", bound))]

    assert seen["tagger_api_request_seconds_sum", (("endpoint", "POST tags"),)] == 60.25
    assert seen["tagger_api_request_seconds_count", (("endpoint", "POST tags"),)] == 2
    assert [finished_within(bound) for bound in ("0.2", "0.3", "8.0", "+Inf")] == [0, 1, 1, 2]


async def test_only_the_token_shows_shops(redis: ArqRedis, client: httpx2.AsyncClient) -> None:
    for org in (ORG, OTHER_ORG):
        await Sender(client).deliver(b'{"id": 7}', org=org)
    anonymous, with_token = await numbers(client, token=""), await numbers(client)

    assert anonymous["tagger_queue_customers", (("state", "live"),)] == 2
    assert with_token["tagger_queue_customers", (("org", ORG), ("state", "live"))] == 1
    assert with_token["tagger_shop_deliveries_total", (("org", OTHER_ORG),)] == 1
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
    redis: ArqRedis, shops: ShopRepository, clock: Clock
) -> None:
    metrics = Metrics(redis, shops, CollectorRegistry(), clock=clock)

    async def scripts() -> int:
        return (await count_calls(redis))["evalsha"]

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


async def test_what_was_not_counted_yet_is_exported_as_zero(client: httpx2.AsyncClient) -> None:
    seen = await numbers(client)

    assert seen["tagger_webhooks_failed_total", (("reason", "store_unavailable"),)] == 0
    assert seen["tagger_webhooks_rejected_total", (("reason", "bad_signature"),)] == 0
    assert seen["tagger_drains_total", (("outcome", "error"),)] == 0
    assert seen["tagger_alerts_total", (("kind", "token_rejected"),)] == 0
    assert seen["tagger_list_mismatches_total", ()] == 0
    assert seen["tagger_tag_latency_seconds_count", ()] == 0


async def test_the_state_of_a_shop_and_the_reason_of_its_pause(
    redis: ArqRedis, shops: ShopRepository, client: httpx2.AsyncClient
) -> None:
    await shops.pause(ORG, reason="mass_404", by="worker")
    await shops.pause(OTHER_ORG, reason="Tết", by="an")
    await redis.hset(keys.shop(OTHER_ORG, "state"), "removals_paused", "removal_guard")

    seen = await numbers(client)

    def paused(org: str, reason: str) -> float:
        return seen["tagger_shop_paused", (("org", org), ("reason", reason))]

    assert (paused(ORG, "mass_404"), paused(ORG, "other")) == (1, 0)
    assert (paused(OTHER_ORG, "mass_404"), paused(OTHER_ORG, "other")) == (0, 1)
    assert seen["tagger_shop_removals_paused", (("org", OTHER_ORG),)] == 1
    assert seen["tagger_shops", ()] == 2
    assert not any("Tết" in str(labels) for _, labels in seen)


async def test_the_memory_of_redis_and_the_heartbeat_of_the_workers(
    redis: ArqRedis, client: httpx2.AsyncClient
) -> None:
    await Counters(redis, clock=lambda: 1_700_000_000.0).flush()

    seen = await numbers(client)

    assert seen["tagger_redis_memory_used_bytes", ()] > 100_000
    assert seen["tagger_redis_memory_limit_bytes", ()] == (await redis.info("memory"))["maxmemory"]
    assert seen["tagger_worker_heartbeat_timestamp_seconds", ()] == 1_700_000_000


async def test_the_build_is_named(client: httpx2.AsyncClient) -> None:
    labels = (("python", platform.python_version()), ("version", program_version()))

    assert (await numbers(client))["tagger_build_info", labels] == 1


async def test_beyond_the_maximum_of_shops_there_are_only_sums(
    redis: ArqRedis, shops: ShopRepository
) -> None:
    metrics = Metrics(redis, shops, CollectorRegistry())
    for number in range(MAX_SHOPS - 1):  # two shops are there
        org = OrgId(str(2_000_000_000 + number))
        await shops.add(
            Shop(org=org, name="Một", dialect="omni", api_url="https://apis.haravan.com/com", token="t")
        )

    seen = samples((await metrics.render(by_shop=True)).decode())

    assert seen["tagger_shops", ()] == MAX_SHOPS + 1
    assert seen["tagger_dead_letters", ()] == 0
    assert not any("org" in dict(labels) for _, labels in seen)
