"""A replay marks exactly the customers that were counted, at its pace, also if workers die; twice writes nothing twice."""

from __future__ import annotations

import pytest

from service.domain.customers.customer import CustomerId
from service.errors import NotFound, Refused
from service.operations import (
    LetterFilter,
    Selection,
    cancel_replay,
    count_replay,
    pause_replay,
    resume_replay,
    start_replay,
)
from service.operations.replay import credit
from service.store.history import DeliveryFilter, audit_log
from service.store.jobs import Run, replays, runs
from service.store.shops import save_first_look
from tests.support.actors import LAN
from tests.workers.stage import ORG, Stage, drain_all

EVERYTHING = Selection(deliveries=DeliveryFilter())


async def count(stage: Stage, selection: Selection = EVERYTHING) -> Run:
    return await count_replay(stage.context, ORG, selection, by=LAN)


async def replay(stage: Stage, selection: Selection = EVERYTHING, *, per_minute: int = 0) -> Run:
    """A replay that has started."""
    run = await count(stage, selection)
    return await start_replay(stage.context, ORG, run.id, by=LAN, per_minute=per_minute)


async def refresh(stage: Stage, run: Run) -> Run:
    return await runs.get(stage.redis, ORG, run.id)


async def announce(stage: Stage, number: int, **fields: int) -> list[int]:
    """Customers with a webhook each, all drained."""
    customers = [stage.haravan.create(**fields) for _ in range(number)]
    for customer in customers:
        await stage.announce(customer)
    await drain_all(stage, "live", max_drains=20)
    return customers


async def test_a_second_replay_of_the_same_customers_writes_nothing(stage: Stage) -> None:
    customers = await announce(stage, 3, total_spent=20_000_000)
    stage.haravan.untag_by_hand(customers[0], "VIP")  # no webhook of it arrives
    before = stage.wrote()

    first = await replay(stage)
    await stage.execute_jobs()
    await stage.turn(3)
    wrote = stage.wrote() - before
    second = await replay(stage)
    await stage.execute_jobs()
    await stage.turn(3)

    first, second = await refresh(stage, first), await refresh(stage, second)
    assert (first.total, first.done, first.added, first.is_active) == (3, 3, 1, False)
    assert (second.total, second.done, second.added, second.is_active) == (3, 3, 0, False)
    assert (wrote, stage.wrote() - before) == (1, 1)


async def test_what_arrives_after_the_count_is_not_replayed(stage: Stage) -> None:
    await announce(stage, 2)
    run = await count(stage)
    await announce(stage, 1)

    await start_replay(stage.context, ORG, run.id, by=LAN)
    await stage.execute_jobs()

    assert (run.total, run.deliveries) == (2, 2)
    assert await stage.redis.zcard(stage.key("ready:bulk")) == 2


async def test_the_pace_is_kept_over_the_deaths_of_workers(stage: Stage) -> None:
    customers = tuple(map(CustomerId, await announce(stage, 30)))
    run = await replay(stage, Selection(customers=customers), per_minute=60)
    marked = []
    for _ in range(4):
        stage.clock.advance(2)
        await stage.execute_jobs()  # each time another worker
        marked.append(30 - (await refresh(stage, run)).waiting)

    assert marked == [2, 4, 6, 8]


async def test_a_paused_replay_marks_nobody_until_it_is_resumed(stage: Stage) -> None:
    customers = tuple(map(CustomerId, await announce(stage, 9)))
    run = await replay(stage, Selection(customers=customers), per_minute=60)
    stage.clock.advance(3)
    await stage.execute_jobs()
    paused = await pause_replay(stage.context, ORG, run.id, by=LAN)
    for _ in range(3):
        stage.clock.advance(60)
        await stage.execute_jobs()
    still = await refresh(stage, run)

    await resume_replay(stage.context, ORG, run.id, by=LAN)
    stage.clock.advance(2)
    await stage.execute_jobs()
    resumed = await refresh(stage, run)
    for _ in range(5):
        stage.clock.advance(2)
        await stage.execute_jobs()
    await drain_all(stage, "bulk", max_drains=9)

    ended = await refresh(stage, run)
    assert (paused.paused_by, still.waiting) == (LAN.name, 6)
    assert resumed.waiting == 4  # the pause is not made up for
    assert (ended.done, ended.waiting, ended.is_active) == (9, 0, False)
    actions = [row.entry.action for row in await audit_log.list_entries(stage.redis, ORG)]
    assert actions == ["resume_replay", "pause_replay", "replay"]


async def test_a_cancelled_replay_marks_nobody_any_more(stage: Stage) -> None:
    customers = tuple(map(CustomerId, await announce(stage, 9)))
    run = await replay(stage, Selection(customers=customers), per_minute=60)
    stage.clock.advance(3)
    await stage.execute_jobs()

    cancelled = await cancel_replay(stage.context, ORG, run.id, by=LAN)
    stage.clock.advance(60)
    await stage.execute_jobs()

    assert (cancelled.ended, cancelled.remaining) == ("cancelled", 0)
    assert await stage.redis.zcard(stage.key("ready:bulk")) == 3
    assert not await stage.redis.exists(stage.key(f"run:{run.id}:waiting"))
    with pytest.raises(Refused, match="not active"):
        await resume_replay(stage.context, ORG, run.id, by=LAN)


async def test_at_most_a_few_hundred_customers_are_marked_ahead(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "MAX_AHEAD", 4)
    customers = tuple(map(CustomerId, await announce(stage, 9)))
    run = await replay(stage, Selection(customers=customers))
    waiting = []
    for _ in range(3):
        await stage.execute_jobs()
        stage.clock.advance(1)
        waiting.append((await refresh(stage, run)).waiting)
    await drain_all(stage, "bulk", max_drains=5)
    await stage.execute_jobs()

    assert waiting == [5, 5, 5]
    assert (await refresh(stage, run)).waiting == 1


async def test_a_worker_that_dies_between_marking_and_noting_it_loses_nobody(stage: Stage) -> None:
    customers = tuple(map(CustomerId, await announce(stage, 3)))
    run = await replay(stage, Selection(customers=customers))
    waiting = await stage.redis.lrange(stage.key(f"run:{run.id}:waiting"), 0, -1)
    await stage.execute_jobs()
    await stage.redis.rpush(stage.key(f"run:{run.id}:waiting"), *waiting)  # as if it was not noted

    assert await replays.mark_next(stage.redis, ORG, run.id, 10) == 3
    await drain_all(stage, "bulk", max_drains=5)

    ended = await refresh(stage, run)
    assert (ended.total, ended.done, ended.remaining) == (3, 3, 0)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (DeliveryFilter(topics=("orders/paid",)), [2]),
        (DeliveryFilter(outcomes=("echo",)), [0]),
        (DeliveryFilter(outcomes=("marked",)), [0, 1, 2]),
        (DeliveryFilter(customers=(CustomerId(0),)), None),
    ],
)
async def test_customers_are_found_by_their_deliveries(
    stage: Stage, wanted: DeliveryFilter, expected: list[int] | None
) -> None:
    customers = await announce(stage, 2)
    customers.append(stage.haravan.create())
    await stage.deliver(b'{"customer": {"id": %d}}' % customers[2], topic="orders/paid")
    await drain_all(stage, "live", max_drains=5)
    await stage.deliver(stage.haravan.body(customers[0]) + b" ")  # nothing new

    if expected is None:
        with pytest.raises(Refused, match="no customer matches"):
            await count(stage, Selection(deliveries=wanted))
        return
    run = await count(stage, Selection(deliveries=wanted))

    waiting = await stage.redis.lrange(stage.key(f"run:{run.id}:waiting"), 0, -1)
    assert [int(each) for each in waiting] == [customers[index] for index in expected]


@pytest.mark.parametrize(
    "selection",
    [Selection(), Selection(everybody=True, dead_letters=LetterFilter())],
    ids=["none", "two"],
)
async def test_a_selection_is_of_one_kind(stage: Stage, selection: Selection) -> None:
    with pytest.raises(Refused, match="one of them"):
        await count(stage, selection)


async def test_everybody_waits_for_the_first_look(stage: Stage) -> None:
    await announce(stage, 1)
    await save_first_look(stage.redis, ORG, "pending")

    with pytest.raises(Refused, match="not all customers"):
        await count(stage, Selection(everybody=True))


async def test_only_replays_that_exist_are_started_paused_or_cancelled(stage: Stage) -> None:
    publish = await runs.create(stage.redis, ORG, kind="publish", by="an", reason="", now_ms=1)

    with pytest.raises(Refused, match="is not a replay"):
        await cancel_replay(stage.context, ORG, publish, by=LAN)
    with pytest.raises(NotFound):
        await start_replay(stage.context, ORG, "R99", by=LAN)


@pytest.mark.parametrize(
    ("per_minute", "elapsed_ms", "expected"),
    [
        (60, 999, (0, 0)),
        (60, 1_500, (1, 1_000)),
        (600, 1_050, (10, 1_000)),
        (600, 60_000, (50, 60_000)),  # a worker was dead: five seconds are made up for
        (1, 59_999, (0, 0)),
        (1, 60_000, (1, 60_000)),
        (60, -5, (0, -5)),  # the clock was set back
    ],
)
def test_a_pace_allows_what_its_time_is_worth(
    per_minute: int, elapsed_ms: int, expected: tuple[int, int]
) -> None:
    start_ms = 1_000_000

    count, credited_ms = credit(per_minute, since_ms=start_ms, now_ms=start_ms + elapsed_ms)

    assert (count, credited_ms - start_ms) == expected
