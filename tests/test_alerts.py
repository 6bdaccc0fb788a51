"""An alert is sent once in an hour, whether Redis answers or not."""

from __future__ import annotations

from structlog.testing import capture_logs

from service.alerts import Alerts
from service.store.client import RedisClient, connect
from tests.support.scripted_server import bulk, scripted_server


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


async def test_an_alert_whose_slot_is_taken_without_an_answer_is_sent() -> None:
    taken: list[bytes] = []

    def answer(words: list[bytes]) -> bytes | None:
        if words[0] != b"SET":
            return b":1\r\n"
        if taken:
            return bulk(taken[0])
        taken.append(words[2])
        return None  # the connection ends

    async with scripted_server(answer) as server:
        client = connect(f"redis://127.0.0.1:{server.port}", patience_s=60)
        alerts = Alerts(client)
        with capture_logs() as logs:
            alerts.raise_alert("store_rewound", "Another server answers")
            await alerts.drain()
        await client.aclose()

    assert [line["kind"] for line in logs if line["event"] == "alert"] == ["store_rewound"]
