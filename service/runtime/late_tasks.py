"""Tasks that are waited for only so long: their owner goes on with other work, and collects the late ones afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Generic, TypeVar

from service.runtime.tasks import cancel_and_wait

K = TypeVar("K")
T = TypeVar("T")


class LateTasks(Generic[K, T]):
    """Runs tasks of one kind by key. At most `max_late` of them run late at a time."""

    def __init__(self, *, late_after_s: float, max_late: int) -> None:
        self._late_after_s = late_after_s
        self._max_late = max_late
        self._late: dict[K, asyncio.Task[T]] = {}

    @property
    def late(self) -> Mapping[K, asyncio.Task[T]]:
        """The tasks that were late and are not collected yet."""
        return self._late

    async def run(self, coroutines: Mapping[K, Coroutine[Any, Any, T]]) -> dict[K, asyncio.Task[T]]:
        """Run the coroutines at the same time. Returns the tasks that have ended; the others are late.

        It waits for `late_after_s` seconds, and longer as long as there is no room for more late tasks.
        """
        if not coroutines:
            return {}
        loop = asyncio.get_running_loop()
        tasks = {key: loop.create_task(coroutine) for key, coroutine in coroutines.items()}
        try:
            _, running = await asyncio.wait(tasks.values(), timeout=self._late_after_s)
            while len(running) > self._max_late - sum(not task.done() for task in self._late.values()):
                earlier = [task for task in self._late.values() if not task.done()]
                await asyncio.wait([*running, *earlier], return_when=asyncio.FIRST_COMPLETED)
                running = {task for task in running if not task.done()}
        except asyncio.CancelledError:
            await cancel_and_wait(*tasks.values())
            raise
        self._late |= {key: task for key, task in tasks.items() if task in running}
        return {key: task for key, task in tasks.items() if task not in running}

    def collect(self) -> dict[K, asyncio.Task[T]]:
        """The late tasks that have ended. They are late no longer."""
        ended = {key: task for key, task in self._late.items() if task.done()}
        for key in ended:
            del self._late[key]
        return ended

    async def collect_all(self) -> dict[K, asyncio.Task[T]]:
        """Wait until every late task has ended, and return them."""
        if self._late:
            await asyncio.wait(self._late.values())
        return self.collect()

    async def cancel(self) -> None:
        """Cancel the late tasks and forget them. Their exceptions are not raised."""
        await cancel_and_wait(*self._late.values())
        self._late.clear()
