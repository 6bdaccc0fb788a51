"""A task that takes a cancellation for something else is ended all the same."""

from __future__ import annotations

import asyncio

from service.ending import end


async def test_whoever_swallows_a_cancellation_is_cancelled_again() -> None:
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
        raise OSError("the store is away")

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(broken())]
    await asyncio.sleep(0)

    await end(*tasks, again_s=0.01)

    assert swallowed == 2
    assert [task.done() for task in tasks] == [True, True]
