"""Periodic jobs: a failed pass does not end the loop, and a long pass delays others only if they may not overlap."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from service.alerts import Alerts
from service.runtime.tasks import cancel_and_wait
from service.store.client import RedisClient
from workers.periodic.scheduler import run_every
from workers.store_outage import StoreOutage


@pytest.mark.parametrize("overlapping", [False, True])
async def test_a_failed_pass_is_logged_and_the_next_one_runs(redis: RedisClient, overlapping: bool) -> None:
    outage = StoreOutage(Alerts(redis))
    errors: list[Exception] = [
        RedisConnectionError("away"),
        RedisConnectionError("away"),
        *(ValueError("a bug") for _ in range(3)),
    ]
    succeeded = asyncio.Event()

    async def job() -> None:
        if errors:
            raise errors.pop(0)
        succeeded.set()

    with capture_logs() as logged:
        loop = asyncio.create_task(run_every(0, job, "sweep", outage, overlapping=overlapping))
        await succeeded.wait()
        await cancel_and_wait(loop)

    assert [(line["event"], line["outcome"]) for line in logged if line["event"] != "alert"] == [
        ("store", "unavailable"),
        ("sweep", "error"),
    ]


async def test_overlapping_passes_do_not_wait_for_each_other_and_end_with_the_loop(
    redis: RedisClient,
) -> None:
    running = 0
    enough = asyncio.Event()

    async def job() -> None:
        nonlocal running
        running += 1
        if running == 3:
            enough.set()
        try:
            await asyncio.Event().wait()
        finally:
            running -= 1

    loop = asyncio.create_task(run_every(0, job, "nightly", StoreOutage(Alerts(redis)), overlapping=True))
    await enough.wait()
    await cancel_and_wait(loop)

    assert running == 0
