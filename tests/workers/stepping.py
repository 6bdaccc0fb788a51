"""Runs a coroutine and all its tasks, counts their awaits, and injects an event at one of them."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from service.runtime.tasks import cancel_and_wait

Injection = Callable[["Steps"], Awaitable[None]]
_inside: contextvars.ContextVar[Steps | None] = contextvars.ContextVar("inside", default=None)


class Steps:
    """One run. `seen` counts its awaits. At await number `at`, the injection runs first.

    If the injection kills the run, use it as a context manager: the end of the block also ends the killed tasks.
    Otherwise the event loop of a failed test would wait for them for ever.
    """

    def __init__(self, at: int, then: Injection) -> None:
        self.seen = 0
        self.tasks: set[asyncio.Task[Any]] = set()
        self._at = at
        self._then = then
        self._main: asyncio.Task[None] | None = None
        self._frozen: asyncio.Event | None = None
        self._injected: asyncio.Task[None] | None = None

    async def drive(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end, or until the injection kills or cancels it."""
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
        if self._injected is not None:
            await self._injected
        if self._main.done() and not self._main.cancelled():
            self._main.result()

    def cancel(self) -> None:
        """Cancel the run, as arq does when its process shuts down."""
        if self._main is not None:
            self._main.cancel()

    def kill(self) -> None:
        """Freeze all its tasks, as kill -9 does."""
        if self._frozen is not None:
            self._frozen.set()

    async def __aenter__(self) -> Steps:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let the frozen tasks end. Their cleanup uses a lease that is no longer theirs."""
        self._frozen = None
        # shielded tasks as well, because they would continue while the event loop closes
        await cancel_and_wait(*self.tasks)

    @property
    def killed(self) -> bool:
        return self._frozen is not None and self._frozen.is_set()

    async def _inject(self) -> None:
        await self._then(self)

    async def waited(self) -> None:
        self.seen += 1
        if self.seen == self._at:
            context = contextvars.copy_context()
            context.run(_inside.set, None)
            self._injected = asyncio.get_running_loop().create_task(self._inject(), context=context)
            await asyncio.shield(self._injected)  # it runs even if this task is cancelled
        if self.killed:
            await asyncio.Event().wait()


class _Driven:
    """A coroutine as an awaitable that counts each of its awaits."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], steps: Steps) -> None:
        self._coroutine = coroutine
        self._steps = steps

    def __await__(self) -> Generator[Any, Any, Any]:
        resume: Callable[[], Any] = lambda: self._coroutine.send(None)  # noqa: E731
        while True:
            try:
                awaited = resume()
            except StopIteration as stop:
                return stop.value
            try:
                yield from self._steps.waited().__await__()
                yield awaited
            except BaseException as exc:  # noqa: BLE001  # the coroutine handles every exception
                thrown = exc
                resume = lambda: self._coroutine.throw(thrown)  # noqa: E731, B023
            else:
                resume = lambda: self._coroutine.send(None)  # noqa: E731


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
    )  # a task that is cancelled before its start never awaits it
    return task


async def _run(driven: _Driven) -> Any:
    return await driven
