"""Group commit: deliveries that arrive together are written together, and each is answered after its own write."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import hiredis
import structlog
from arq.connections import ArqRedis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.domain.customers import OrgId
from service.errors import StoreAway
from service.store import keys, queue
from service.store.marks import MOST_EVENTS, Event, arguments
from service.store.script import source

# Haravan waits 5 s, and after 19 failures in a row it drops the subscription. A store that is away refuses at once; who
# lets us wait is a slow disk: with 0.8 s a disk of 0.4 s a write answered most of them 503, each written all the same.
DEADLINE_S: Final = 3.0
MOST_WAITING: Final = 4096  # events that wait for their turn; about 2 MB
MOST_IN_BATCH: Final = 512


class Full(StoreAway):
    """So many events wait already that this one must come again later."""


class Confirmation(asyncio.Future[StoreAway | None]):
    """Done when the lot is written: None, or why it may not be there.

    Many requests wait for one; whoever is cancelled must not cancel it for the others.
    """

    def cancel(self, msg: object = None) -> bool:
        return False


@dataclass(slots=True)
class Lot:
    """The events of one shop in one script call."""

    org: OrgId
    opened_s: float  # the loop's clock
    done: Confirmation
    events: list[Event] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)  # of each event, to be counted
    codes: list[str] = field(default_factory=list)  # what became of each, once written
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """What went to the server together."""

    lots: list[Lot]
    took_s: float
    failure: StoreAway | None = None


class Ingest:
    """Writes lots, one round trip at a time; whatever arrives meanwhile joins the next.

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
        self._retention_s = retention_s
        self._deadline_s = deadline_s
        self._most_waiting = most_waiting
        self._on_batch = on_batch
        self._open: dict[OrgId, Lot] = {}
        self._ready: deque[Lot] = deque()  # in the order in which they were opened
        self._waiting = 0
        self._filled = asyncio.Event()
        self._connection: AbstractConnection | None = None
        self._sha = b""
        self._writer: asyncio.Task[None] | None = None
        self._stopping = False
        self._rings: set[asyncio.Task[bool]] = set()

    def start(self) -> None:
        """Begin to write. Redis may be away: the first lot finds out."""
        self._writer = asyncio.create_task(self._write_for_ever(), name="ingest")

    async def stop(self) -> None:
        """Write what waits, then let go of the connection."""
        self._stopping = True
        self._filled.set()
        if self._writer is not None:
            await self._writer
        await asyncio.gather(*self._rings, return_exceptions=True)
        await self._hang_up()

    def put(self, org: OrgId, event: Event, *, topic: str = "") -> Confirmation:
        """Take an event; await what comes back. Raises Full."""
        if self._waiting >= self._most_waiting:
            raise Full("too many events wait for Redis")
        lot = self._open.get(org)
        if lot is None:
            loop = asyncio.get_running_loop()
            lot = self._open[org] = Lot(org, loop.time(), Confirmation(loop=loop))
            self._ready.append(lot)
            self._filled.set()
        lot.events.append(event)
        lot.topics.append(topic)
        self._waiting += 1
        if len(lot.events) == MOST_EVENTS:
            del self._open[org]
        return lot.done

    async def _write_for_ever(self) -> None:
        while True:
            await self._filled.wait()
            if not self._ready:
                return  # told to stop
            try:
                await self._settle(self._take())
            except Exception:  # noqa: BLE001  # the outermost loop: whatever it was, the next lots must be written
                structlog.get_logger().exception("ingest", outcome="bug")
                await self._hang_up()

    def _take(self) -> list[Lot]:
        """The oldest lots, as many as make a reasonable batch; they take no more events."""
        taken: list[Lot] = []
        count = 0
        while self._ready and (not taken or count + len(self._ready[0].events) <= MOST_IN_BATCH):
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
                await self._write(lots)
        except (RedisError, OSError, TimeoutError) as exc:
            failure = StoreAway(f"Redis did not confirm the write: {type(exc).__name__}")
            await (
                self._hang_up()
            )  # answers to what is out could otherwise be taken for answers to the next batch
        finally:
            for lot in lots:
                if not lot.done.done():
                    lot.done.set_result(failure or StoreAway("the service is stopping"))
        self._on_batch(Batch(lots, loop.time() - began, failure))

    async def _write(self, lots: list[Lot]) -> None:
        try:
            missing = await self._call(await self._connected(), lots)
        except (RedisConnectionError, OSError):  # an idle connection was closed: once more on a fresh one
            await self._hang_up()
            missing = await self._call(await self._connected(), [lot for lot in lots if not lot.done.done()])
        if missing:  # the server forgot its scripts: a restart, or SCRIPT FLUSH
            connection = await self._connected()
            await self._load(connection)
            if await self._call(connection, missing):
                raise NoScriptError("the script is gone again")

    async def _call(self, connection: AbstractConnection, lots: list[Lot]) -> list[Lot]:
        """One round trip for all lots; returns those that found no script.

        A shop whose call failed gets its own failure; the others of the batch are written.
        """
        await connection.send_packed_command(
            [hiredis.pack_command(self._command(lot)) for lot in lots], check_health=False
        )
        missing: list[Lot] = []
        for lot in lots:
            reply: Any
            try:
                reply = await connection.read_response(disable_decoding=True)
            except NoScriptError:
                missing.append(lot)
            except (RedisConnectionError, RedisTimeoutError, ReadOnlyError):
                raise  # the connection is of no more use: broken, or its server became a replica
            except RedisError as exc:
                lot.done.set_result(StoreAway(f"Redis refused the write: {type(exc).__name__}"))
            else:
                self._confirm(lot, reply)
        return missing

    def _command(self, lot: Lot) -> tuple[Any, ...]:
        arg = arguments(lot.events, lane="live", retention_s=self._retention_s)
        return (b"EVALSHA", self._sha, 1, keys.shop(lot.org), *arg)

    def _confirm(self, lot: Lot, reply: list[Any]) -> None:
        wake, number = reply[0], reply[1]
        lot.codes = [code.decode() for code in reply[3::3]]
        lot.repeats = sum(reply[4::3])
        lot.done.set_result(None)
        if wake:
            ringing = asyncio.create_task(queue.ring(self._redis, lot.org, number=number))
            self._rings.add(ringing)  # the loop itself keeps only a weak reference
            ringing.add_done_callback(self._rings.discard)

    async def _connected(self) -> AbstractConnection:
        """A connection of our own: the pool would hand it to others between two batches."""
        if self._connection is None:
            connection: AbstractConnection = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
            self._connection = connection
        if not self._connection.is_connected:
            await self._connection.connect()  # type: ignore[no-untyped-call]
            await self._load(self._connection)
        return self._connection

    async def _load(self, connection: AbstractConnection) -> None:
        await connection.send_command("SCRIPT LOAD", source("place", "mark"), check_health=False)
        self._sha = await connection.read_response(disable_decoding=True)

    async def _hang_up(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(RedisError, OSError, TimeoutError):
                await connection.disconnect(nowait=True)
