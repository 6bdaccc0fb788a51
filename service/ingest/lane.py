"""The lane of one server: the batches that wait for it, and the loop that writes them, one round trip at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from service.ingest.batch import ShopBatch
from service.ingest.writer import BatchWriter

MAX_FLUSH: Final = 512  # events in one round trip
MIN_FLUSH: Final = 16


class Lane:
    """A queue of batches, oldest first. A server that is away holds up only its own lane."""

    def __init__(
        self,
        writer: BatchWriter,
        *,
        flush: Callable[[Lane, list[ShopBatch]], Awaitable[None]],
        on_taken: Callable[[ShopBatch], None],
    ) -> None:
        self.writer = writer
        self.queued = 0  # events
        self._flush = flush
        self._on_taken = on_taken
        self._ready: deque[ShopBatch] = deque()
        self._has_work = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a batch waits or is being written."""
        return not self._is_idle.is_set()

    def start(self) -> None:
        """Start writing."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="group_commit")

    async def drain(self) -> None:
        """Wait until all batches are written. Without `start` they are not."""
        if self._task is not None:
            await self._is_idle.wait()

    async def stop(self) -> None:
        """Stop writing, and close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self.writer.close()

    def append(self, batch: ShopBatch) -> None:
        """Add a new batch, to which events are added while it waits."""
        self._ready.append(batch)
        self._notify()

    def append_first(self, batch: ShopBatch) -> None:
        """Add a batch that was taken before. It is older than all others."""
        self._ready.appendleft(batch)
        self.queued += len(batch.events)
        self._notify()

    def flush_size(self) -> int:
        """The number of events of one flush: half of the queued ones."""
        return min(max(MIN_FLUSH, (self.queued + 1) // 2), MAX_FLUSH)

    def _notify(self) -> None:
        self._has_work.set()
        self._is_idle.clear()

    async def _run(self) -> None:
        while True:
            await self._has_work.wait()
            try:
                await self._flush(self, self._take())
            except Exception:  # noqa: BLE001  # outermost loop: the next batches must be written all the same
                structlog.get_logger().exception("group_commit_error")
                self.writer.close()
            if not self._ready:
                self._is_idle.set()

    def _take(self) -> list[ShopBatch]:
        """Remove the oldest batches, up to the size of a flush."""
        taken: list[ShopBatch] = []
        count, size = 0, self.flush_size()
        while self._ready and (not taken or count + len(self._ready[0].events) <= size):
            batch = self._ready.popleft()
            count += len(batch.events)
            taken.append(batch)
            self._on_taken(batch)
        self.queued -= count
        if not self._ready:
            self._has_work.clear()
        return taken
