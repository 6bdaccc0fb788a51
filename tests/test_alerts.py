"""An alert is sent once in an hour, whether Redis answers or not."""

from __future__ import annotations

from structlog.testing import capture_logs

from service.alerts import Alerts
from service.store.client import RedisClient


async def test_an_alert_from_the_time_without_redis_is_not_repeated_when_it_answers(
    redis: RedisClient,
) -> None:
    alerts = Alerts(redis)
    with capture_logs() as logs:
        await redis.config_set("min-replicas-to-write", 1)  # it refuses every write
        try:
            for _ in range(2):
                alerts.raise_alert("store_unavailable", "Redis refuses writes")
                await alerts.drain()
        finally:
            await redis.config_set("min-replicas-to-write", 0)
        alerts.raise_alert("store_unavailable", "Redis refuses writes again")
        alerts.raise_alert("store_full", "another kind")
        await alerts.drain()

    assert [line["kind"] for line in logs if line["event"] == "alert"] == ["store_unavailable", "store_full"]


async def test_another_process_does_not_repeat_an_alert(redis: RedisClient) -> None:
    with capture_logs() as logs:
        for alerts in (Alerts(redis), Alerts(redis)):
            alerts.raise_alert("store_full", "Redis is full")
            await alerts.drain()

    assert [line["kind"] for line in logs if line["event"] == "alert"] == ["store_full"]


async def test_an_alert_that_is_raised_again_while_redis_is_asked_is_sent_once(redis: RedisClient) -> None:
    alerts = Alerts(redis)
    with capture_logs() as logs:
        await redis.config_set("min-replicas-to-write", 1)
        try:
            for _ in range(2):
                alerts.raise_alert("store_unfit", "Redis refuses writes")
            await alerts.drain()
        finally:
            await redis.config_set("min-replicas-to-write", 0)

    assert [line["kind"] for line in logs if line["event"] == "alert"] == ["store_unfit"]
