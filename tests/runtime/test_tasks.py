"""Background tasks live until they end, and a cancelled task ends."""

from __future__ import annotations

import asyncio
import gc

from service.runtime.tasks import BackgroundTasks, cancel_and_wait


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
        await asyncio.Event().wait()

    async def broken() -> None:
        raise OSError("Redis does not answer")

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(broken())]
    await asyncio.sleep(0)

    await cancel_and_wait(*tasks, interval_s=0.01)

    assert swallowed == 2
    assert [task.done() for task in tasks] == [True, True]


async def test_a_background_task_survives_a_garbage_collection_and_is_waited_for() -> None:
    tasks, ended = BackgroundTasks(), []

    async def work() -> None:
        await asyncio.sleep(0)
        ended.append(True)
        if len(ended) == 1:
            tasks.start(work())

    tasks.start(work())
    gc.collect()

    await tasks.wait()

    assert ended == [True, True]
    assert len(tasks) == 0


async def test_background_tasks_are_cancelled_together() -> None:
    tasks = BackgroundTasks()
    started = [tasks.start(asyncio.Event().wait()) for _ in range(3)]
    await asyncio.sleep(0)

    await tasks.cancel()

    assert all(task.cancelled() for task in started)
