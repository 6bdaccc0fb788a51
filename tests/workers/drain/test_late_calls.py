"""A call that takes long keeps no other customer waiting, and its result is settled when it comes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import aiohttp
import pytest

from tests.support.wait import wait_until
from tests.workers.stage import ORG, Stage

NEVER_IN_A_BATCH = "6"  # attempts: it is read alone


def hold(stage: Stage, method: str, customer: int) -> asyncio.Event:
    """Hold the calls of this customer until the event is set."""
    answered = asyncio.Event()

    async def started(_: object, __: SimpleNamespace, request: aiohttp.TraceRequestStartParams) -> None:
        if request.method == method and f"/customers/{customer}" in request.url.path:
            await answered.wait()

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(started)
    trace.freeze()
    stage.drain.session.trace_configs.append(trace)
    return answered


async def start(stage: Stage, others: list[int]) -> asyncio.Task[None]:
    """Start a drain, and wait until the others have their tag. It still runs."""
    drain = asyncio.create_task(stage.drain(ORG))

    async def are_right() -> bool:
        return drain.done() or all(stage.haravan.tags(customer) == {"VIP"} for customer in others)

    await wait_until(are_right)
    assert not drain.done()
    return drain


async def mark_alone(stage: Stage, customer: int) -> None:
    """Mark a customer that is read by itself."""
    await stage.mark(customer)
    await stage.redis.hset(stage.key(f"mark:{customer}"), "attempts", NEVER_IN_A_BATCH)


async def test_others_are_tagged_while_one_read_takes_long(stage: Stage) -> None:
    slow, *others = [stage.haravan.create(total_spent=12_000_000) for _ in range(6)]
    await mark_alone(stage, slow)
    await stage.mark(*others)
    answered = hold(stage, "GET", slow)

    drain = await start(stage, others)
    assert await stage.field(slow, "attempts") == "7"  # counted before the record is read
    newcomer = stage.haravan.create(total_spent=12_000_000)
    await stage.mark(newcomer)
    await wait_until(lambda: asyncio.sleep(0, stage.haravan.tags(newcomer) == {"VIP"}))
    answered.set()
    await drain

    assert stage.haravan.tags(slow) == {"VIP"}
    assert not await stage.is_marked(slow)
    assert stage.haravan.calls.count("GET customer") == 2  # the slow one and the newcomer, once each


async def test_others_are_tagged_while_one_write_takes_long(stage: Stage) -> None:
    slow, *others = [stage.haravan.create(total_spent=12_000_000) for _ in range(12)]
    await stage.mark(slow, *others)
    answered = hold(stage, "POST", slow)

    drain = await start(stage, others)
    answered.set()
    await drain

    assert stage.haravan.tags(slow) == {"VIP"}
    assert not await stage.is_marked(slow)
    assert stage.wrote() == 12
    assert await stage.ledger(slow) == ["+VIP"]


async def test_a_webhook_during_a_late_read_is_not_lost(stage: Stage) -> None:
    slow, *others = [stage.haravan.create(total_spent=12_000_000) for _ in range(6)]
    await mark_alone(stage, slow)
    await stage.mark(*others)
    answered = hold(stage, "GET", slow)

    drain = await start(stage, others)
    stage.haravan.edit(slow, total_spent=1)
    await stage.announce(slow)
    answered.set()
    await drain
    await stage.turn(3)

    assert stage.haravan.tags(slow) == set()
    assert not await stage.is_marked(slow)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_drain_that_stops_meanwhile_leaves_the_customer_to_the_next_one(
    stage: Stage, method: str
) -> None:
    slow, *others = [stage.haravan.create(total_spent=12_000_000) for _ in range(6)]
    await mark_alone(stage, slow)
    await stage.mark(*others)
    answered = hold(stage, method, slow)

    drain = await start(stage, others)
    drain.cancel()
    await asyncio.wait([drain])
    answered.set()
    await stage.turn(4, rest_s=3_000)

    assert stage.haravan.tags(slow) == {"VIP"}
    assert not await stage.is_marked(slow)
