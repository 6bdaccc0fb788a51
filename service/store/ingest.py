"""Group commit: deliveries that arrive together are written together, and each is answered after its own write."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from service.domain.customers import OrgId
from service.errors import StoreAway
from service.store import keys, queue
from service.store.lots import Confirmation, Lot, LotWriter
from service.store.marks import MOST_EVENTS, Event

# Haravan waits 5 s, and after 19 failures in a row it drops the subscription. A store that is away refuses at once; who
# lets us wait is a slow disk: with 0.8 s a disk of 0.4 s a write answered most of them 503, each written all the same.
DEADLINE_S: Final = 3.0
MOST_WAITING: Final = 4096  # events that wait for their turn; about 2 MB
MOST_IN_BATCH: Final = 512
LEAST_SHARE: Final = 16  # events: fewer are not worth a round trip of their own


class Full(StoreAway):
    """So many events wait already that this one must come again later."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What went to the server together."""

    lots: list[Lot]
    took_s: float
    failure: StoreAway | None = None


class Ingest:
    """Writes lots, one round trip at a time; whatever arrives meanwhile joins the next.

    A round trip takes at most half of what is under way: while the store writes one half, the senders and this process
    are at the other. With all of it in one, each would wait for the others.

    Promises: `Confirmation` is None only after the server confirmed the write (with `appendfsync always`: on disk);
    it is there at most `deadline_s` after the lot was opened; at most `most_waiting` events wait. A refused event may
    still have been written: it will come again, and a mark more does no harm.
    """

    def __init__(
        self,
        redis: ArqRedis,
        *,
        retention_s: int = 30 * keys.DAY_S,
        deadline_s: float = DEADLINE_S,
        most_waiting: int = MOST_WAITING,
        on_batch: Callable[[Batch], None] = lambda _: None,
    ) -> None:
        self._redis = redis
        self._deadline_s = deadline_s
        self._most_waiting = most_waiting
        self._on_batch = on_batch
        self._open: dict[OrgId, Lot] = {}
        self._ready: deque[Lot] = deque()  # in the order in which they were opened
        self._waiting = 0
        self._filled = asyncio.Event()
        self._writer = LotWriter(redis, retention_s=retention_s, ring=self._ring)
        self._writing: asyncio.Task[None] | None = None
        self._stopping = False
        self._rings: set[asyncio.Task[bool]] = set()

    def start(self) -> None:
        """Begin to write. Redis may be away: the first lot finds out."""
        self._writing = asyncio.create_task(self._write_for_ever(), name="ingest")

    async def stop(self) -> None:
        """Write what waits, then let go of the connection."""
        self._stopping = True
        self._filled.set()
        if self._writing is not None:
            await self._writing
        await asyncio.gather(*self._rings, return_exceptions=True)
        await self._writer.close()

    def put(self, org: OrgId, event: Event, *, topic: str = "") -> Confirmation:
        """Take an event; await what comes back. Raises Full."""
        if self._waiting >= self._most_waiting:
            raise Full("too many events wait for Redis")
        lot = self._open.get(org)
        if lot is None:
            loop = asyncio.get_running_loop()
            lot = self._open[org] = Lot(org, loop.time())
            self._ready.append(lot)
            self._filled.set()
        lot.events.append(event)
        lot.topics.append(topic)
        self._waiting += 1
        if len(lot.events) >= LEAST_SHARE and len(lot.events) >= min(self._share(), MOST_EVENTS):
            del self._open[org]
        return lot.done

    def _share(self) -> int:
        """How many events go in one round trip: half of those that wait."""
        return min(max(LEAST_SHARE, (self._waiting + 1) // 2), MOST_IN_BATCH)

    async def _write_for_ever(self) -> None:
        while True:
            await self._filled.wait()
            if not self._ready:
                return  # told to stop
            try:
                await self._settle(self._take())
            except Exception:  # noqa: BLE001  # the outermost loop: whatever it was, the next lots must be written
                structlog.get_logger().exception("ingest", outcome="bug")
                await self._writer.close()

    def _take(self) -> list[Lot]:
        """The oldest lots, as many as make their share; they take no more events."""
        taken: list[Lot] = []
        count, share = 0, self._share()
        while self._ready and (not taken or count + len(self._ready[0].events) <= share):
            lot = self._ready.popleft()
            count += len(lot.events)
            taken.append(lot)
            if self._open.get(lot.org) is lot:
                del self._open[lot.org]
        self._waiting -= count
        if not self._ready and not self._stopping:
            self._filled.clear()
        return taken

    async def _settle(self, lots: list[Lot]) -> None:
        """Write the lots and answer everybody, whatever happens."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        failure: StoreAway | None = None
        try:
            async with asyncio.timeout_at(lots[0].opened_s + self._deadline_s):
                await self._writer.write(lots)
        except (RedisError, OSError, TimeoutError) as exc:
            failure = StoreAway(f"Redis did not confirm the write: {type(exc).__name__}")
            await self._writer.close()
        finally:
            for lot in lots:
                if not lot.done.done():
                    lot.done.tell(failure or StoreAway("the service is stopping"))
        self._on_batch(Batch(lots, loop.time() - began, failure))

    def _ring(self, org: OrgId, number: int) -> None:
        ringing = asyncio.create_task(queue.ring(self._redis, org, number=number))
        self._rings.add(ringing)  # the loop itself keeps only a weak reference
        ringing.add_done_callback(self._rings.discard)
