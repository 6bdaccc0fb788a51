"""Drives a coroutine and all tasks that it starts, counts where they wait, and lets something happen at one of them."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from service.runtime.tasks import cancel_and_wait

Injection = Callable[["Steps"], Awaitable[None]]
_inside: contextvars.ContextVar[Steps | None] = contextvars.ContextVar("inside", default=None)


class Steps:
    """One driven run. `seen`: how often it waited; at the wait number `at` the injection runs before it goes on.

    Enter it where the injection kills: what was killed is let go of at the end of the block, however that ends. Else
    the loop of a test that failed meanwhile would wait for the dead for ever.
    """

    def __init__(self, at: int, then: Injection) -> None:
        self.seen = 0
        self.tasks: set[asyncio.Task[Any]] = set()
        self._at = at
        self._then = then
        self._main: asyncio.Task[None] | None = None
        self._frozen: asyncio.Event | None = None
        self._happening: asyncio.Task[None] | None = None

    async def drive(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end, or until it was killed or cancelled by the injection."""
        loop = asyncio.get_running_loop()
        before = loop.get_task_factory()
        loop.set_task_factory(_factory)
        context = contextvars.copy_context()
        context.run(_inside.set, self)
        killed = self._frozen = asyncio.Event()
        try:
            self._main = loop.create_task(work, context=context)
            dead = loop.create_task(killed.wait())
            await asyncio.wait({self._main, dead}, return_when=asyncio.FIRST_COMPLETED)
            dead.cancel()
        finally:
            loop.set_task_factory(before)
        if self._happening is not None:
            await self._happening
        if self._main.done() and not self._main.cancelled():
            self._main.result()

    def cancel(self) -> None:
        """What arq does to a job when its process shuts down."""
        if self._main is not None:
            self._main.cancel()

    def kill(self) -> None:
        """From now on nothing of it goes on, as after kill -9."""
        if self._frozen is not None:
            self._frozen.set()

    async def __aenter__(self) -> Steps:
        return self

    async def __aexit__(self, *_: object) -> None:
        """It may end now, and tidy up with a lock that is long not its own."""
        self._frozen = None
        # also those that a drain shields, or they would go on as the test's loop closes
        await cancel_and_wait(*self.tasks)

    @property
    def killed(self) -> bool:
        return self._frozen is not None and self._frozen.is_set()

    async def _happens(self) -> None:
        await self._then(self)

    async def waited(self) -> None:
        self.seen += 1
        if self.seen == self._at:
            context = contextvars.copy_context()
            context.run(_inside.set, None)
            self._happening = asyncio.get_running_loop().create_task(self._happens(), context=context)
            await asyncio.shield(self._happening)  # it happens whatever becomes of the task that waits here
        if self.killed:
            await asyncio.Event().wait()


class _Driven:
    """A coroutine as an awaitable that stops over at each of its waits."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], steps: Steps) -> None:
        self._coroutine = coroutine
        self._steps = steps

    def __await__(self) -> Generator[Any, Any, Any]:
        go_on: Callable[[], Any] = lambda: self._coroutine.send(None)  # noqa: E731
        while True:
            try:
                waits_for = go_on()
            except StopIteration as stop:
                return stop.value
            try:
                yield from self._steps.waited().__await__()
                yield waits_for
            except BaseException as exc:  # noqa: BLE001  # whatever is thrown in is the coroutine's to handle
                thrown = exc
                go_on = lambda: self._coroutine.throw(thrown)  # noqa: E731, B023
            else:
                go_on = lambda: self._coroutine.send(None)  # noqa: E731


def _factory(
    loop: asyncio.AbstractEventLoop, coroutine: Any, context: contextvars.Context | None = None
) -> asyncio.Task[Any]:
    current = context if context is not None else contextvars.copy_context()
    steps = current.get(_inside)
    if steps is None:
        return asyncio.Task(coroutine, loop=loop, context=context)
    task = asyncio.Task(_run(_Driven(coroutine, steps)), loop=loop, context=context)
    steps.tasks.add(task)
    task.add_done_callback(
        lambda _: coroutine.close()
    )  # one that was cancelled before it began was never awaited
    return task


async def _run(driven: _Driven) -> Any:
    return await driven
