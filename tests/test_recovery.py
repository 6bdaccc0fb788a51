"""What follows when another Redis server answers, and when webhooks are refused."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.alerts import Alerts
from service.domain.customers import OrgId
from service.errors import OverQuota, StoreFull, StoreUnavailable
from service.ingest.batch import Flush, ShopBatch
from service.recovery import Recovery, RefusalAlerts, unfit_alert
from service.settings import Settings
from service.store.client import RedisClient, StoreChange
from service.store.history import store_changes
from service.store.jobs import nightly
from tests.support.shop import ORG, OTHER_ORG, add_shops

SINCE_MS = 1_795_150_800_000


async def alerts_of(redis: RedisClient, change: StoreChange) -> list[dict[str, Any]]:
    """Recover from the change with two shops in the store; the alerts that were raised."""
    alerts, done = Alerts(redis), []

    async def seed(_: Collection[int]) -> None:
        done.append("seed")

    async def reload(_: Collection[int]) -> None:
        done.append("reload")

    with capture_logs() as logs:
        await Recovery(redis, await add_shops(redis), alerts, seed, reload)(change)
        await alerts.drain()
    assert done == ["seed", "reload"]
    return [dict(line) for line in logs if line["event"] == "alert"]


@pytest.mark.parametrize("kind", ["emptied", "rewound"])
async def test_after_a_loss_every_shop_is_read_again_from_before_it(redis: RedisClient, kind: Any) -> None:
    [alert] = await alerts_of(redis, StoreChange(kind, SINCE_MS))

    assert alert["kind"] == f"store_{kind}"
    assert "2026-11-20T05:00" in alert["text"]
    for org in (ORG, OTHER_ORG):
        assert await nightly.load_requests(redis, org) == [SINCE_MS]


async def test_the_doctor_still_knows_a_loss_a_week_later(redis: RedisClient) -> None:
    await alerts_of(redis, StoreChange("emptied", SINCE_MS))
    now_ms = int(time.time() * 1000)

    [loss] = await store_changes.load_recent(redis, now_ms=now_ms)

    assert (loss.kind, loss.since_ms, loss.shops) == ("emptied", SINCE_MS, 2)
    assert await store_changes.load_recent(redis, now_ms=now_ms + store_changes.KEPT_S * 1000 + 1000) == []


@pytest.mark.parametrize("kind", ["started", "restarted"])
async def test_a_start_or_a_restart_with_all_data_reads_nothing_again(redis: RedisClient, kind: Any) -> None:
    assert await alerts_of(redis, StoreChange(kind)) == []
    assert await nightly.load_requests(redis, ORG) == []


async def test_an_unfit_server_is_an_alert_with_its_reasons(redis: RedisClient) -> None:
    alerts = Alerts(redis)

    with capture_logs() as logs:
        unfit_alert(alerts)("It evicts.")
        await alerts.drain()

    [alert] = [line for line in logs if line["event"] == "alert"]
    assert (alert["kind"], "It evicts." in alert["text"]) == ("store_unfit", True)


@pytest.mark.parametrize(
    ("error", "kind", "org", "named"),
    [
        pytest.param(OverQuota("customers"), "shop_over_quota", ORG, "SHOP_MAX_WAITING", id="customers"),
        pytest.param(OverQuota("deliveries"), "shop_over_quota", ORG, "SHOP_MAX_DELIVERIES", id="deliveries"),
        pytest.param(StoreFull("full"), "store_full", "-", "maxmemory", id="full"),
    ],
)
async def test_refused_webhooks_are_one_alert(
    redis: RedisClient, error: StoreUnavailable, kind: str, org: str, named: str
) -> None:
    alerts = Alerts(redis, dedup_window_s=1)
    refusals = RefusalAlerts(alerts, Settings())
    batch = ShopBatch(OrgId(ORG), 0.0, error=error)

    with capture_logs() as logs:
        for _ in range(5):
            refusals(Flush([batch], 0.0, 0.0))
            await alerts.drain()

    [alert] = [line for line in logs if line["event"] == "alert"]
    assert (alert["kind"], alert["org"], named in alert["text"]) == (kind, org, True)
