"""Group commit: events that arrive together are written together, and acknowledged after the write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from service.domain.customers import OrgId
from service.errors import StoreUnavailable
from service.ingest.batch import Acknowledgement, Flush, ShopBatch
from service.ingest.lane import Lane
from service.ingest.writer import BatchWriter, ServerNotAdmitted
from service.sentence import Sentence
from service.store.client import Store, StoreMonitor, keys
from service.store.queue import MAX_EVENTS, NO_QUOTA, DirtyEvent, Quota, wake_shop

# Haravan waits 5 s for a response. A Redis that is down fails at once, but a slow disk takes time: with a deadline of
# 0.8 s and a disk that took 0.4 s for a write, most events were answered with 503 although they were written.
DEADLINE_S: Final = 3.0
MAX_QUEUED: Final = 4096  # events for one server, about 2 MB
MIN_BATCH: Final = 16  # events; a smaller batch stays open while others are written
REPEAT_S: Final = 0.05  # before a batch is written again, perhaps by another server


class QueueFull(StoreUnavailable):
    """Too many events wait for Redis. The sender must try again later."""


class GroupCommit:
    """Writes batches of events, one round trip at a time to each server. Later events go into the next round trip.

    A flush takes at most half of the queued events. While Redis writes one half, the senders and this process work on
    the other. If a flush took all events, each side would wait for the other.

    Promises: an acknowledgement is None only after the server confirmed the write (on disk with `appendfsync always`),
    and after `replicas` replicas did. It comes at most `deadline_s` after the batch was opened. At most `max_queued`
    events wait for one server. A failed event may have been written all the same: the sender repeats it, and a second
    mark does no harm. With Sentinel and in a cluster, a batch that a failover or a move of its shop interrupts is
    written again until its deadline.
    """

    def __init__(
        self,
        redis: Store,
        *,
        retention_s: int = 30 * keys.DAY_S,
        deadline_s: float = DEADLINE_S,
        max_queued: int = MAX_QUEUED,
        on_flush: Callable[[Flush], None] = lambda _: None,
        quota: Quota = NO_QUOTA,
        monitor: StoreMonitor | None = None,
        replicas: int = 0,
    ) -> None:
        self._redis = redis
        self._retention_s = retention_s
        self._deadline_s = deadline_s
        self._max_queued = max_queued
        self._on_flush = on_flush
        self._quota = quota
        self._monitor = monitor
        self._replicas = replicas
        self._lanes: dict[object, Lane] = {}  # by the server's address; a single server and Sentinel have one
        self._open: dict[OrgId, tuple[Lane, ShopBatch]] = {}  # batches that accept more events
        self._tasks: set[asyncio.Task[object]] = set()  # wake-ups, and batches that wait to be repeated
        self._is_started = self._is_stopping = False

    def start(self) -> None:
        """Start writing. Does not need Redis yet."""
        self._is_started = True
        for lane in self._lanes.values():
            lane.start()

    async def stop(self) -> None:
        """Write all queued events, then close the connections."""
        self._is_stopping = True
        while self._tasks or any(lane.is_busy for lane in self._lanes.values()):
            await asyncio.gather(*(lane.drain() for lane in self._lanes.values()))
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(lane.stop() for lane in self._lanes.values()))

    def submit(self, org: OrgId, event: DirtyEvent, *, topic: str = "") -> Acknowledgement:
        """Queue an event. Its acknowledgement is None after the write, or the error. Raises QueueFull."""
        opened = self._open.get(org)
        lane = self._lane(org) if opened is None else opened[0]
        if lane.queued >= self._max_queued:
            raise QueueFull(Sentence("too many events wait for Redis"))
        if opened is None:
            batch = ShopBatch(org, perf_counter())
            self._open[org] = lane, batch
            lane.append(batch)
        else:
            batch = opened[1]
        acknowledgement = batch.add(event, topic, asyncio.get_running_loop())
        lane.queued += 1
        size = len(batch.events)
        if size >= MIN_BATCH and size >= min(lane.flush_size(), MAX_EVENTS):
            del self._open[org]
        return acknowledgement

    def _lane(self, org: OrgId) -> Lane:
        """The lane of the server that has the shop, as far as it is known."""
        endpoint = self._redis.router.endpoint_of(keys.shop(org)) if self._redis.router.is_cluster else None
        lane = self._lanes.get(endpoint)
        if lane is None:
            writer = BatchWriter(
                self._redis,
                retention_s=self._retention_s,
                wake=self._wake,
                quota=self._quota,
                monitor=self._monitor,
                replicas=self._replicas,
            )
            lane = self._lanes[endpoint] = Lane(writer, flush=self._flush, on_taken=self._close_batch)
            if self._is_started:
                lane.start()
        return lane

    def _close_batch(self, batch: ShopBatch) -> None:
        """A batch that is taken out of its lane accepts no more events."""
        opened = self._open.get(batch.org)
        if opened is not None and opened[1] is batch:
            del self._open[batch.org]

    async def _flush(self, lane: Lane, batches: list[ShopBatch]) -> None:
        """Write the batches. Settles each of them, also if it fails or is cancelled; or repeats it later."""
        started_s = perf_counter()  # loop.time() of uvloop has a resolution of 1 ms
        waited_s = started_s - batches[0].opened_s
        error: StoreUnavailable | None = None
        may_repeat = self._redis.router.fails_over and not self._is_stopping
        try:
            async with asyncio.timeout(self._deadline_s - waited_s):
                await lane.writer.write(batches)
        except StoreUnavailable as exc:
            error = exc
            may_repeat = may_repeat and isinstance(exc, ServerNotAdmitted)
            lane.writer.close()
        except (RedisError, OSError) as exc:  # a timeout is an OSError
            error = StoreUnavailable(
                Sentence("Redis did not confirm the write: {error}", error=type(exc).__name__)
            )
            lane.writer.close()
        finally:
            unsettled = [batch for batch in batches if not batch.is_settled]
            if (
                unsettled
                and may_repeat
                and batches[0].opened_s + self._deadline_s > perf_counter() + REPEAT_S
            ):
                self._start(self._repeat(unsettled, error))
                batches = [batch for batch in batches if batch.is_settled]
            else:
                for batch in unsettled:
                    batch.settle(error or StoreUnavailable(Sentence("the service is stopping")))
        if batches:
            write_s = perf_counter() - started_s
            self._on_flush(Flush(batches, waited_s + write_s, write_s, error))

    async def _repeat(self, batches: list[ShopBatch], error: StoreUnavailable | None) -> None:
        """After a pause, give the batches to the servers that have their shops by then."""
        try:
            await asyncio.sleep(REPEAT_S)
            await self._redis.router.look()
        except RedisError:
            structlog.get_logger().debug("group_commit_error", outcome="no_topology")
        finally:
            for batch in batches:
                if self._is_stopping:
                    batch.settle(error or StoreUnavailable(Sentence("the service is stopping")))
                else:
                    self._lane(batch.org).append_first(batch)

    def _wake(self, org: OrgId, number: int) -> None:
        self._start(wake_shop(self._redis, org, number=number))

    def _start(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # the loop keeps only a weak reference
        task.add_done_callback(self._tasks.discard)
