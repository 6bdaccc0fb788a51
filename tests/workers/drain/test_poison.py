"""One customer whose record breaks the code that reads it: the others become right, and it becomes a dead letter."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

import service.domain.preview.impact
import workers.drain.reader
import workers.haravan.decoding
import workers.scan
from service.domain.customers.customer import CustomerId
from service.domain.customers.records import parse_record
from service.domain.decisions import decide_with_restores, fast_path
from service.domain.documents.parser import parse_rules
from service.domain.sync.evaluate import evaluate_customer
from service.publishing.draft import create_draft
from service.publishing.publish import publish_draft
from service.store.client import RedisClient, keys
from service.store.customers.state import load_states
from service.store.jobs.runs import Run
from service.store.queue import dead_letters
from tests.support.actors import LAN
from tests.support.processes import ROOT, python_process
from tests.workers.poisoned_worker import EXIT_CODE
from tests.workers.stage import ORG, VIP, Stage, staged
from workers.haravan import Haravan, WaitingPermits

Break = Callable[[], None]
SECRET_KEY = "0123456789abcdef" * 2


class OddError(Exception):
    """An error that no code expects."""


def _raise() -> None:
    raise OddError("Nguyễn Thị Ánh")


def break_parser(monkeypatch: pytest.MonkeyPatch, customer: int, broken: Break) -> None:
    """Let the parser of records do this for one customer."""

    def parse(raw: Any) -> Any:
        record = parse_record(raw)
        if record.customer.id == customer:
            broken()
        return record

    monkeypatch.setattr(workers.haravan.decoding, "parse_record", parse)


def break_evaluation(monkeypatch: pytest.MonkeyPatch, customer: int, broken: Break) -> None:
    """Let the evaluation do this for one customer, in drains and in scans."""

    def evaluate(mark: Any, record: Any, stored: Any, batch: Any) -> Any:
        if record.customer.id == customer:
            broken()
        return evaluate_customer(mark, record, stored, batch)

    monkeypatch.setattr(workers.drain.reader, "evaluate_customer", evaluate)
    monkeypatch.setattr(workers.scan, "evaluate_customer", evaluate)


BREAKS = pytest.mark.parametrize("break_", [break_parser, break_evaluation])


@pytest.fixture(params=["omni", "admin"])
async def either(redis: RedisClient, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """A shop of each dialect: the admin API has no lists by ids, so every customer is read alone."""
    async with staged(redis, dialect=request.param) as stage:
        yield stage


@BREAKS
async def test_an_error_is_that_of_its_customer(
    either: Stage, monkeypatch: pytest.MonkeyPatch, break_: Callable[..., None]
) -> None:
    stage = either
    poison, *others = [stage.haravan.create(total_spent=12_000_000) for _ in range(6)]
    break_(monkeypatch, poison, _raise)
    await stage.mark(*others[:3], poison, *others[3:])

    await stage.turn(3)

    assert [stage.haravan.tags(customer) for customer in others] == [{"VIP"}] * 5
    assert stage.haravan.tags(poison) == set()
    (letter,) = await dead_letters.for_customer(stage.redis, ORG, CustomerId(poison))
    assert "OddError at test_poison.py" in letter.text
    assert "Nguyễn" not in letter.text


@BREAKS
async def test_an_error_in_a_scan_marks_its_customer_and_the_scan_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, break_: Callable[..., None]
) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(60)]
    break_(monkeypatch, customers[3], _raise)

    run = await backfill(stage)

    assert (run.scanned, run.total) == (60, 60)


async def test_an_error_in_a_rollout_marks_its_customer_and_the_rollout_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = (6_000_000, 6_000_000, 5_999_999, 6_000_000, 6_000_000)
    customers = [stage.haravan.create(total_spent=amount) for amount in spent]
    await stage.mark(*customers)
    await stage.turn(2)

    def decide(**arguments: Any) -> Any:
        if arguments["customer"].id == customers[2]:
            _raise()
        return decide_with_restores(**arguments)

    def decide_fast(compiled: Any, facts: Any, state: Any, **more: Any) -> Any:
        if facts.total_spent == 5_999_999_0000:
            _raise()
        return fast_path(compiled, facts, state, **more)

    monkeypatch.setattr(service.domain.preview.impact, "decide_with_restores", decide)
    monkeypatch.setattr(service.domain.preview.impact, "fast_path", decide_fast)
    shop = await stage.shops.get_or_raise(ORG)
    draft = await create_draft(stage.context, shop, parse_rules(VIP.replace("10_000_000", "5_000_000")))
    await publish_draft(stage.context, shop, draft, by=LAN, note="", approved=True)
    await stage.execute_jobs()
    await stage.turn(3)

    assert [stage.haravan.tags(customer) for customer in customers] == [{"VIP"}] * 5


@pytest.mark.one_server
async def test_a_record_that_loses_the_lease_is_read_alone_and_then_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    poison, *others = [stage.haravan.create(total_spent=12_000_000) for _ in range(6)]
    reads = 0

    def lose_lease() -> None:
        nonlocal reads
        reads += 1
        with Redis.from_url(redis_url) as blocking:
            blocking.delete(stage.key("lease"))

    break_parser(monkeypatch, poison, lose_lease)
    await stage.mark(*others[:3], poison, *others[3:])

    await stage.turn(20)

    assert [stage.haravan.tags(customer) for customer in others] == [{"VIP"}] * 5
    assert reads == 3
    assert await stage.letters(poison) == {"crash"}
    assert not await stage.redis.exists(stage.key("suspects"), stage.key("unsettled"))


async def test_an_error_around_a_batch_is_found_to_be_that_of_one_customer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison, *others = [stage.haravan.create(total_spent=12_000_000) for _ in range(6)]

    async def load(redis: Any, org: Any, customers: Any) -> Any:
        if poison in customers:
            _raise()
        return await load_states(redis, org, customers)

    monkeypatch.setattr(workers.drain.reader, "load_states", load)
    await stage.mark(*others[:3], poison, *others[3:])

    await stage.turn(20, rest_s=6)

    assert [stage.haravan.tags(customer) for customer in others] == [{"VIP"}] * 5
    assert await stage.letters(poison) == {"crash"}


async def test_customers_that_were_only_in_the_batch_are_suspects_no_longer_once_they_are_read(
    stage: Stage,
) -> None:
    customers = [stage.haravan.create(total_spent=1) for _ in range(30)]
    await stage.mark(*customers)
    lease = await stage.drain.leases.acquire(ORG, token="dies")
    assert lease is not None
    await lease.dequeue()
    await stage.redis.delete(stage.key("lease"))

    await stage.turn()

    assert not await stage.redis.exists(stage.key("suspects"), stage.key("unsettled"))
    assert stage.haravan.calls.by_endpoint() == {"GET customers": 5}  # by seven
    await stage.mark(*customers)
    stage.clock.advance(3)
    await stage.turn()
    assert stage.haravan.calls.by_endpoint() == {"GET customers": 6}


async def test_suspects_take_turns_with_the_others(stage: Stage) -> None:
    suspects = [stage.haravan.create(total_spent=12_000_000) for _ in range(9)]
    await stage.mark(*suspects)
    lease = await stage.drain.leases.acquire(ORG, token="dies")
    assert lease is not None
    await lease.dequeue()
    await stage.redis.delete(stage.key("lease"))
    await stage.mark(*(stage.haravan.create(total_spent=1) for _ in range(120)))

    lease = await stage.drain.leases.acquire(ORG, token="lives")
    assert lease is not None
    sizes = []
    for _ in range(4):
        marks, _ = await lease.dequeue()
        sizes.append([mark.customer in suspects for mark in marks])

    assert [(len(batch), any(batch)) for batch in sizes] == [(41, False), (7, True), (41, False), (7, True)]


@pytest.mark.process
@pytest.mark.timeout(300)
async def test_a_record_that_kills_its_worker_stops_nobody_but_itself(
    redis: RedisClient, redis_url: str, queue_url: str, tmp_path: Path
) -> None:
    async with staged(redis) as stage:
        poison, *others = [stage.haravan.create(total_spent=12_000_000) for _ in range(6)]
        await stage.mark(*others[:3], poison, *others[3:])
        deaths = 0
        while await stage.redis.exists(stage.key("ready:bulk"), stage.key("planned:bulk")):
            deaths += await run_worker(redis_url, queue_url, poison, stage, tmp_path)

        assert [stage.haravan.tags(customer) for customer in others] == [{"VIP"}] * 5
        assert deaths == 3
        assert await stage.letters(poison) == {"crash"}


@pytest.mark.process
@pytest.mark.timeout(300)
async def test_a_record_that_kills_a_backfill_is_only_marked_by_the_next_one(
    redis: RedisClient, redis_url: str, queue_url: str
) -> None:
    async with staged(redis) as stage:
        customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(60)]
        command = ("-m", "tests.workers.poisoned_worker", str(customers[3]), "backfill", ORG)
        codes = []
        for _ in range(2):
            process = await asyncio.create_subprocess_exec(
                sys.executable, *command, env=environ(redis_url, queue_url), cwd=ROOT
            )
            codes.append(await process.wait())

        assert codes == [EXIT_CODE, 0]
        assert [customer for customer in customers if not await stage.is_marked(customer)] == []


def environ(redis_url: str, queue_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "REDIS_URL": redis_url,
        "QUEUE_URL": queue_url,
        "SECRET_KEY": SECRET_KEY,
        "DURABILITY": "everysec",
    }


async def run_worker(redis_url: str, queue_url: str, poison: int, stage: Stage, folder: Path) -> int:
    """Run a worker until it dies (1) or has nothing left to do (0)."""
    arguments = ("-m", "tests.workers.poisoned_worker", str(poison), "worker")
    with python_process(
        *arguments, environ=environ(redis_url, queue_url), log=folder / "worker.log"
    ) as process:
        while process.poll() is None:
            if not await stage.redis.exists(stage.key("ready:bulk"), stage.key("planned:bulk")):
                return 0
            await asyncio.sleep(0.02)
    lease = await stage.drain.leases.acquire(ORG, token="next")
    assert lease is not None, "the lease of the process outlives it"
    await lease.release(wait_ms=0, state={})
    # as if the permits of its calls and its wake-up had expired
    await stage.redis.delete(*(stage.key(name) for name in ("wakeup_pending", "in_flight")))
    await stage.redis.zadd(keys.partition_key(ORG, "due_shops"), {ORG: 0})
    return 1


async def backfill(stage: Stage) -> Run:
    shop = await stage.shops.get_or_raise(ORG)
    scan = await workers.scan.build_scan(
        stage.context,
        shop,
        Haravan.for_shop(shop, stage.drain.session),
        permits=WaitingPermits(stage.drain.leases.rate_limiter, ORG, lane="bulk"),
        rules_cache=stage.drain.rules_cache,
    )
    assert scan is not None
    return await scan("backfill", by="test")
