"""Group commit: events that arrive together are written together, and acknowledged after the write."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final

import structlog
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from service.domain.customers import OrgId
from service.errors import StoreUnavailable
from service.ingest.batch import Acknowledgement, Flush, ShopBatch
from service.ingest.writer import BatchWriter
from service.store.client import StoreMonitor, keys
from service.store.queue import MAX_EVENTS, NO_QUOTA, DirtyEvent, Quota, wake_shop

# Haravan waits 5 s for a response. A Redis that is down fails at once, but a slow disk takes time: with a deadline of
# 0.8 s and a disk that took 0.4 s for a write, most events were answered with 503 although they were written.
DEADLINE_S: Final = 3.0
MAX_QUEUED: Final = 4096  # events, about 2 MB
MAX_FLUSH: Final = 512  # events in one round trip
MIN_BATCH: Final = 16  # events; a smaller batch stays open while others are written


class QueueFull(StoreUnavailable):
    """Too many events wait for Redis. The sender must try again later."""


class GroupCommit:
    """Writes batches of events, one round trip at a time. Events that arrive meanwhile go into the next round trip.

    A flush takes at most half of the queued events. While Redis writes one half, the senders and this process work on
    the other. If a flush took all events, each side would wait for the other.

    Promises: an acknowledgement is None only after the server confirmed the write (on disk with `appendfsync always`).
    It comes at most `deadline_s` after the batch was opened. At most `max_queued` events wait. A failed event may have
    been written all the same: the sender repeats it, and a second mark does no harm.
    """

    def __init__(
        self,
        redis: ArqRedis,
        *,
        retention_s: int = 30 * keys.DAY_S,
        deadline_s: float = DEADLINE_S,
        max_queued: int = MAX_QUEUED,
        on_flush: Callable[[Flush], None] = lambda _: None,
        quota: Quota = NO_QUOTA,
        monitor: StoreMonitor | None = None,
    ) -> None:
        self._redis = redis
        self._deadline_s = deadline_s
        self._max_queued = max_queued
        self._on_flush = on_flush
        self._open: dict[OrgId, ShopBatch] = {}  # batches that accept more events
        self._ready: deque[ShopBatch] = deque()  # all batches, oldest first
        self._queued = 0
        self._has_work = asyncio.Event()
        self._writer = BatchWriter(
            redis, retention_s=retention_s, wake=self._wake, quota=quota, monitor=monitor
        )
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._wakeups: set[asyncio.Task[bool]] = set()

    def start(self) -> None:
        """Start writing. Does not need Redis yet."""
        self._task = asyncio.create_task(self._run(), name="group_commit")

    async def stop(self) -> None:
        """Write all queued events, then close the connection."""
        self._stopping = True
        self._has_work.set()
        if self._task is not None:
            await self._task
        await asyncio.gather(*self._wakeups, return_exceptions=True)
        await self._writer.close()

    def submit(self, org: OrgId, event: DirtyEvent, *, topic: str = "") -> Acknowledgement:
        """Queue an event. Its acknowledgement is None after the write, or the error. Raises QueueFull."""
        if self._queued >= self._max_queued:
            raise QueueFull("too many events wait for Redis")
        loop = asyncio.get_running_loop()
        batch = self._open.get(org)
        if batch is None:
            batch = self._open[org] = ShopBatch(org, perf_counter())
            self._ready.append(batch)
            self._has_work.set()
        acknowledgement = batch.add(event, topic, loop)
        self._queued += 1
        size = len(batch.events)
        if size >= MIN_BATCH and size >= min(self._flush_size(), MAX_EVENTS):
            del self._open[org]
        return acknowledgement

    def _flush_size(self) -> int:
        """The number of events of one flush: half of the queued ones."""
        return min(max(MIN_BATCH, (self._queued + 1) // 2), MAX_FLUSH)

    async def _run(self) -> None:
        while True:
            await self._has_work.wait()
            if not self._ready:
                return  # stopped
            try:
                await self._flush(self._next_batches())
            except Exception:  # noqa: BLE001  # outermost loop: the next batches must be written all the same
                structlog.get_logger().exception("group_commit_error")
                await self._writer.close()

    def _next_batches(self) -> list[ShopBatch]:
        """Remove the oldest batches from the queue, up to the size of a flush. They accept no more events."""
        taken: list[ShopBatch] = []
        count, size = 0, self._flush_size()
        while self._ready and (not taken or count + len(self._ready[0].events) <= size):
            batch = self._ready.popleft()
            count += len(batch.events)
            taken.append(batch)
            if self._open.get(batch.org) is batch:
                del self._open[batch.org]
        self._queued -= count
        if not self._ready and not self._stopping:
            self._has_work.clear()
        return taken

    async def _flush(self, batches: list[ShopBatch]) -> None:
        """Write the batches. Settles each of them, also if it fails or is cancelled."""
        started_s = perf_counter()  # loop.time() of uvloop has a resolution of 1 ms
        waited_s = started_s - batches[0].opened_s
        error: StoreUnavailable | None = None
        try:
            async with asyncio.timeout(self._deadline_s - waited_s):
                await self._writer.write(batches)
        except StoreUnavailable as exc:
            error = exc
            await self._writer.close()
        except (RedisError, OSError, TimeoutError) as exc:
            error = StoreUnavailable(f"Redis did not confirm the write: {type(exc).__name__}")
            await self._writer.close()
        finally:
            for batch in batches:
                if not batch.is_settled:
                    batch.settle(error or StoreUnavailable("the service is stopping"))
        write_s = perf_counter() - started_s
        self._on_flush(Flush(batches, waited_s + write_s, write_s, error))

    def _wake(self, org: OrgId, number: int) -> None:
        wakeup = asyncio.create_task(wake_shop(self._redis, org, number=number))
        self._wakeups.add(wakeup)  # the loop keeps only a weak reference
        wakeup.add_done_callback(self._wakeups.discard)
