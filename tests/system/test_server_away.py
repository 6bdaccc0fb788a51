"""One of three servers does not answer: the shops of the others are served, and the doctor names the missing one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest
from redis.exceptions import RedisError

from service.alerts import Alerts
from service.context import Context
from service.doctor import diagnose
from service.domain.customers import OrgId
from service.domain.sync import RejectionReason
from service.locales import translator_for
from service.settings import read_settings
from service.store.client import Store, connect, keys, server_time_ms
from service.store.encryption import KeyRing
from service.store.history import load_webhook_report
from service.store.queue import Liveness
from service.store.rules import Versions
from service.store.servers import Server
from service.store.servers.cluster import slot_of
from service.store.shops import Shop, ShopRepository
from service.web.webhooks import RejectionTracker, WebhookMetrics
from tests.support.cluster import SHARDS, SLOTS, ValkeyCluster
from tests.support.sender import Sender
from tests.support.shop import KEY, web_environ
from tests.support.web_server import app_client
from workers.periodic.sweep import Sweep

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

BODY = b'{"id": 7, "updated_at": "2026-11-29T00:00:00Z"}'


def orgs_of(shard: int) -> Iterator[OrgId]:
    """Shops whose keys are on this shard."""
    slots = range(shard * SLOTS // SHARDS, (shard + 1) * SLOTS // SHARDS)
    orgs = (OrgId(str(number)) for number in range(1000000001, 1000002000))
    return (org for org in orgs if slot_of(keys.shop(org).encode()) in slots)


AWAY, NEVER_ADDED_AWAY, *_ = orgs_of(0)  # the shard that also has slot 0, which keyless commands go to
NEAR = next(orgs_of(1))


async def start(cluster: ValkeyCluster) -> None:
    """Start the servers, store two shops, and kill the server of one of them."""
    await cluster.start()
    async with connect(cluster.url, timeout_s=60) as redis:
        shops = ShopRepository(redis, KeyRing([KEY]))
        for org in (AWAY, NEAR):
            url = "https://apis.haravan.com/com"
            await shops.add(Shop(org=org, name="Một", dialect="omni", api_url=url, token="t" * 20))
    cluster.servers[0].kill()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the cluster."""
    cluster = ValkeyCluster(tmp_path_factory.mktemp("cluster"), replicas=0)
    try:
        asyncio.run(start(cluster))
        yield cluster.url
    finally:
        cluster.kill()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """A client that does not wait for another server to take over."""
    async with connect(url, queue_url="redis://127.0.0.1:1", patience_s=0.1) as store:
        yield store


@pytest.fixture
def context(store: Store) -> Context:
    return Context(store, ShopRepository(store, KeyRing([KEY])), Versions(store))


async def test_a_web_process_that_starts_serves_the_shops_of_the_other_servers(url: str) -> None:
    settings = read_settings(
        {**web_environ(url), "QUEUE_URL": "redis://127.0.0.1:1", "HARAVAN_ORG_ID": AWAY}
        | {"HARAVAN_ACCESS_TOKEN": "t" * 20}
    )
    async with app_client(settings) as client:
        deliver = Sender(client).deliver
        statuses = [(await deliver(BODY, org=org)).status_code for org in (NEAR, AWAY, NEVER_ADDED_AWAY)]
        no_org = await deliver(BODY, org=None, X_Haravan_Shop_Domain="hai.myharavan.com")
        ready = await client.get("/readyz")

    assert statuses == [200, 503, 503]
    assert no_org.status_code == 503  # it may be for a shop that could not be read
    assert (ready.status_code, ready.json()["store"]) == (200, "answers")
    assert "server_away" in {finding["name"] for finding in ready.json()["findings"]}


async def test_the_time_is_that_of_a_server_that_answers(store: Store, context: Context) -> None:
    assert await server_time_ms(store) > 0
    with pytest.raises(RedisError):
        await server_time_ms(store, AWAY)

    assert await Sweep(context, Alerts(store)).run() == 0


async def test_rejections_are_stored_where_they_can_be_and_kept_for_the_others(store: Store) -> None:
    tracker = RejectionTracker(store, Alerts(store), WebhookMetrics())
    for org in (AWAY, NEAR):
        tracker.record(RejectionReason.BAD_SIGNATURE, org=org)

    await tracker.flush()
    await tracker.flush()

    report = await load_webhook_report(store, [AWAY, NEAR])
    [near] = report.shops
    assert (near.org, near.rejected[RejectionReason.BAD_SIGNATURE].count) == (NEAR, 1)


async def test_the_doctor_names_the_server_and_judges_the_other_shops(context: Context) -> None:
    report = await diagnose(context, translator_for("en"))

    found = {(finding.org, finding.key) for finding in report.findings}
    assert (None, "store_server_away") in found
    assert (None, "shops_missing") not in found
    assert {org for org, _ in found} == {None, NEAR}


async def test_a_worker_asks_the_missing_server_for_its_subscription_in_turns(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[object] = []
    open_another = Server.open_another

    async def counted(server: Server) -> Any:
        attempts.append(server.endpoint)
        return await open_another(server)

    monkeypatch.setattr(Server, "open_another", counted)
    liveness = Liveness(store)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            await liveness.announce()

    assert len(attempts) < 30  # without a pause there were hundreds
