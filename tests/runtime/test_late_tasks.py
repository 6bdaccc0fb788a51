"""Late tasks: who takes long is not waited for, is collected once, and never gets lost."""

from __future__ import annotations

import asyncio

import pytest

from service.runtime.late_tasks import LateTasks


async def value(number: int, ready: asyncio.Event | None = None) -> int:
    if ready is not None:
        await ready.wait()
    return number


def numbers(tasks: dict[str, asyncio.Task[int]]) -> dict[str, int]:
    return {key: task.result() for key, task in tasks.items()}


async def test_a_late_task_keeps_no_other_waiting_and_is_collected_once() -> None:
    tasks, ready = LateTasks[str, int](late_after_s=0.05, max_late=8), asyncio.Event()

    ended = await tasks.run({"slow": value(1, ready), "quick": value(2)})
    assert (numbers(ended), list(tasks.late), tasks.collect()) == ({"quick": 2}, ["slow"], {})
    ready.set()
    await asyncio.wait(tasks.late.values())

    assert numbers(tasks.collect()) == {"slow": 1}
    assert (tasks.collect(), dict(tasks.late)) == ({}, {})


async def test_a_failure_is_a_result_like_any_other() -> None:
    async def fail() -> int:
        raise ValueError("broken")

    ended = await LateTasks[str, int](late_after_s=5, max_late=8).run({"fails": fail()})

    with pytest.raises(ValueError, match="broken"):
        ended["fails"].result()


async def test_a_task_for_which_there_is_no_room_is_waited_for() -> None:
    tasks = LateTasks[str, int](late_after_s=0.01, max_late=1)
    first, second = asyncio.Event(), asyncio.Event()
    await tasks.run({"first": value(1, first)})
    running = asyncio.create_task(tasks.run({"second": value(2, second)}))
    await asyncio.wait([running], timeout=0.1)
    assert not running.done()

    first.set()  # makes room

    assert (await running, list(tasks.late)) == ({}, ["first", "second"])
    second.set()
    assert numbers(await tasks.collect_all()) == {"first": 1, "second": 2}


async def test_without_room_a_task_may_still_end_in_time() -> None:
    tasks, ready = LateTasks[str, int](late_after_s=0.01, max_late=0), asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, ready.set)

    assert numbers(await tasks.run({"second": value(2, ready)})) == {"second": 2}
    assert dict(tasks.late) == {}


async def test_the_end_can_be_waited_for() -> None:
    tasks, ready = LateTasks[str, int](late_after_s=0.01, max_late=8), asyncio.Event()
    await tasks.run({"slow": value(1, ready)})
    asyncio.get_running_loop().call_soon(ready.set)

    assert numbers(await tasks.collect_all()) == {"slow": 1}
    assert await tasks.collect_all() == {}


async def test_nothing_runs_on_after_a_cancellation() -> None:
    tasks, ready, started = LateTasks[str, int](late_after_s=60, max_late=8), asyncio.Event(), asyncio.Event()

    async def start() -> int:
        started.set()
        return await value(1, ready)

    before = asyncio.all_tasks()
    running = asyncio.create_task(tasks.run({"slow": start()}))
    await started.wait()
    running.cancel()
    await asyncio.wait([running])

    assert running.cancelled()
    assert asyncio.all_tasks() == before
    assert not await tasks.run({})
