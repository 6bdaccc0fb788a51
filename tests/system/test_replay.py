"""A replay through the whole service: counted by a filter, frozen, paced, paused, resumed, cancelled, and no harm twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import httpx2
import pytest

from service.store.client import RedisClient, server_time_ms
from service.store.history import DeliveryFilter, deliveries
from service.store.jobs import pending
from tests.support.processes import python_process
from tests.support.shop import OPS_TOKEN, ORG
from tests.support.wait import wait_until
from tests.system.environment import System, running, working

pytestmark = pytest.mark.timeout(600)
API: Final = f"/ops/v1/shops/{ORG}"
RIGHT: Final = {"VIP", "Bạc"}
TOPICS: Final = ["customers/create", "customers/update", "orders/create"]


@pytest.fixture
async def idle(redis: RedisClient, redis_url: str, queue_url: str) -> AsyncIterator[System]:
    """The system without a worker: tests start and stop theirs."""
    async with running(redis, redis_url, queue_url, workers=0) as system:
        yield system


def client(system: System) -> httpx2.AsyncClient:
    """An operator's client of the ops API."""
    return httpx2.AsyncClient(
        base_url=f"{system.url}{API}", headers={"Authorization": f"Bearer {OPS_TOKEN}"}, timeout=60
    )


async def post(ops: httpx2.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await ops.post(path, json=body)
    assert answer.status_code == 200, answer.text
    run: dict[str, Any] = answer.json()
    return run


async def show(ops: httpx2.AsyncClient, run: str) -> dict[str, Any]:
    found: dict[str, Any] = (await ops.get(f"/runs/{run}")).json()
    return found


async def until(ops: httpx2.AsyncClient, run: str, **expected: object) -> dict[str, Any]:
    """The run as soon as it has these fields."""

    async def has_them() -> bool:
        found = await show(ops, run)
        return all(found[name] == value for name, value in expected.items())

    await wait_until(has_them, timeout_s=180, interval_s=0.1)
    return await show(ops, run)


def lose_tags(system: System, *customers: int) -> None:
    """Remove the tags of customers so that no webhook says it."""
    for customer in customers:
        system.haravan.edit(customer, announce=False, tags="")


def writes(system: System) -> int:
    return system.haravan.calls.count("POST tags") + system.haravan.calls.count("DELETE tags")


async def tagged(system: System, count: int) -> list[int]:
    """Customers who have their tags. A worker runs meanwhile."""
    customers = [system.haravan.create(total_spent=12_000_000) for _ in range(count)]
    async with working(system.settings, 1, system.clock):
        await system.settled()
    assert all(system.haravan.tags(each) == RIGHT for each in customers)
    return customers


async def test_deliveries_are_counted_by_topic_outcome_time_and_customer_and_exactly_these_are_replayed(
    system: System,
) -> None:
    system.haravan.app(topics=TOPICS)
    early, chosen, other, edited = (system.haravan.create(first_name=f"Khách {n}") for n in range(4))
    system.haravan.order(early, 12_000_000)
    await system.settled()
    since_ms = await server_time_ms(system.redis)
    await wait_until(lambda: has_passed(system, since_ms))
    system.haravan.order(chosen, 12_000_000)
    system.haravan.order(other, 12_000_000)
    system.haravan.edit(edited, total_spent=12_000_000)
    await system.settled()
    lose_tags(system, early, chosen, other, edited)
    wanted = {
        "topics": ["orders/create"],
        "outcomes": ["marked"],
        "since": datetime.fromtimestamp((since_ms + 1) / 1000, UTC).isoformat(),
        "customers": [early, chosen, edited],
    }
    async with client(system) as ops:
        counted = await post(ops, "/replays", deliveries=wanted, dry_run=True)
        system.haravan.order(edited, 1_000_000)  # it would match by now
        await system.settled()
        lose_tags(system, edited)
        before = writes(system)
        started = await post(ops, f"/replays/{counted['id']}/start", reason="sau sự cố")
        ended = await until(ops, counted["id"], pending=False, remaining=0)

    assert (counted["counted"], counted["total"], counted["deliveries"]) == (True, 1, 1)
    assert (started["total"], ended["done"], ended["failed"], ended["added"]) == (1, 1, 0, 2)
    tags = [system.haravan.tags(each) for each in (early, chosen, other, edited)]
    assert tags == [set(), RIGHT, set(), set()]
    assert writes(system) == before + 1
    narrow = DeliveryFilter(topics=("orders/create",), outcomes=("marked",))
    page = await deliveries.list_deliveries(system.redis, ORG, narrow, before=None, limit=10)
    assert len(page.deliveries) == 4


async def test_the_same_replay_twice_writes_nothing_twice(system: System) -> None:
    customers = [system.haravan.create(total_spent=12_000_000) for _ in range(3)]
    await system.settled()
    lose_tags(system, customers[0])
    before = writes(system)

    async with client(system) as ops:
        first = await post(ops, "/replays", deliveries={})
        first = await until(ops, first["id"], pending=False, remaining=0)
        after_first = writes(system)
        second = await post(ops, "/replays", deliveries={})
        second = await until(ops, second["id"], pending=False, remaining=0)

    assert [(run["total"], run["done"], run["added"]) for run in (first, second)] == [(3, 3, 2), (3, 3, 0)]
    assert (after_first, writes(system)) == (before + 1, before + 1)


async def test_a_replay_keeps_its_pace_and_its_pause_over_another_worker(idle: System) -> None:
    system, customers = idle, await tagged(idle, 30)
    lose_tags(system, *customers)
    async with client(system) as ops:
        begun_s = system.clock()
        run = (await post(ops, "/replays", customers=customers, per_minute=600))["id"]
        async with working(system.settings, 1, system.clock):
            await wait_until(lambda: is_under_way(ops, run), interval_s=0.1)
            paused = await post(ops, f"/replays/{run}/pause")
            elapsed_s = system.clock() - begun_s
            await wait_until(lambda: has_done_what_was_marked(ops, run), interval_s=0.1)
        still = await show(ops, run)

        system.clock.advance(600)  # time for all of them, if it were not paused
        async with working(system.settings, 1, system.clock):
            await wait_until(lambda: has_looked_at_the_pause(system), interval_s=0.1)
            unchanged = await show(ops, run)
            await post(ops, f"/replays/{run}/resume")
            ended = await until(ops, run, pending=False, remaining=0)

    assert paused["paused_by"] == "an"
    assert 0 < paused["total"] - paused["waiting"] <= elapsed_s * 10 + 1
    assert 0 < still["done"] < 30
    assert (unchanged["waiting"], unchanged["done"]) == (still["waiting"], still["done"])
    assert (ended["done"], ended["added"], ended["failed"]) == (30, 60, 0)
    assert all(system.haravan.tags(each) == RIGHT for each in customers)


async def test_a_cancelled_replay_evaluates_no_further_customer(idle: System) -> None:
    system, customers = idle, await tagged(idle, 12)
    lose_tags(system, *customers)
    async with client(system) as ops:
        run = (await post(ops, "/replays", customers=customers, per_minute=120))["id"]
        async with working(system.settings, 1, system.clock):
            await wait_until(lambda: is_under_way(ops, run), interval_s=0.1)
            cancelled = await post(ops, f"/replays/{run}/cancel")
            system.clock.advance(600)
            await wait_until(lambda: has_no_job(system), interval_s=0.1)
            await system.settled()
        late = await ops.post(f"/replays/{run}/resume")

    right = [each for each in customers if system.haravan.tags(each) == RIGHT]
    assert (cancelled["ended"], cancelled["remaining"], late.status_code) == ("cancelled", 0, 409)
    assert 0 < len(right) < 12
    assert all(system.haravan.tags(each) in (RIGHT, set()) for each in customers)


@pytest.mark.process
async def test_a_replay_goes_on_after_its_worker_is_killed(idle: System) -> None:
    system, customers = idle, await tagged(idle, 12)
    lose_tags(system, *customers)
    worker = ("-P", "-m", "deploy.cli", "worker")
    async with client(system) as ops:
        run = (await post(ops, "/replays", customers=customers, per_minute=60))["id"]
        with python_process(*worker, environ=system.environ) as process:
            await wait_until(lambda: is_under_way(ops, run), interval_s=0.1)
            process.kill()
            process.wait()
        interrupted = await show(ops, run)
        with python_process(*worker, environ=system.environ):
            ended = await until(ops, run, pending=False, remaining=0)

    assert interrupted["remaining"] > 0
    assert (ended["total"], ended["done"], ended["failed"]) == (12, 12, 0)
    assert all(system.haravan.tags(each) == RIGHT for each in customers)


async def has_passed(system: System, moment_ms: int) -> bool:
    return await server_time_ms(system.redis) > moment_ms


async def is_under_way(ops: httpx2.AsyncClient, run: str) -> bool:
    """Whether some customers of the run are done, and others are not marked yet."""
    found = await show(ops, run)
    return bool(found["done"] > 0 and found["waiting"] > 0)


async def has_done_what_was_marked(ops: httpx2.AsyncClient, run: str) -> bool:
    found = await show(ops, run)
    return bool(found["remaining"] == found["waiting"])


async def has_looked_at_the_pause(system: System) -> bool:
    """Whether a worker has executed a step of the replay since the clock was advanced."""
    jobs = await pending.list_jobs(system.redis, ORG)
    return any(job.due_ms > int(system.clock() * 1000) for job in jobs)


async def has_no_job(system: System) -> bool:
    return not await pending.list_jobs(system.redis, ORG)
