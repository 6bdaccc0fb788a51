"""asyncio tasks: background tasks that live until they end, and cancellation that takes effect."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")
CANCEL_INTERVAL_S: Final = 0.5


class BackgroundTasks:
    """Keeps a reference to each task until it ends, because the event loop itself has only a weak one."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run the coroutine as a task of the running loop."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def __len__(self) -> int:
        return len(self._tasks)

    async def wait(self) -> None:
        """Wait until all tasks have ended, including those started meanwhile. Their exceptions are not raised."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cancel(self) -> None:
        """Cancel all tasks and wait until they have ended."""
        await cancel_and_wait(*self._tasks)


async def cancel_and_wait(*tasks: asyncio.Task[Any], interval_s: float = CANCEL_INTERVAL_S) -> None:
    """Cancel the tasks and wait until all have ended. Their exceptions are not raised.

    The cancellation is repeated every `interval_s` seconds because redis-py can mistake one for its own timeout
    and continue.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=interval_s)
    await asyncio.gather(*tasks, return_exceptions=True)
