"""Lots of events on their way to the store: a connection of our own, one round trip for several lots at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import hiredis
import structlog
from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

from service.domain.customers import OrgId
from service.errors import StoreAway
from service.store import keys
from service.store.marks import Event, arguments
from service.store.script import script_text


class Confirmation:
    """Known when the lot is written: None, or why it may not be there.

    Many requests wait for one, and are told at once, one after the other: a turn of the event loop for each would cost
    as much as the answer.
    """

    __slots__ = ("_known", "_outcome", "_waiting")

    def __init__(self) -> None:
        self._known = False
        self._outcome: StoreAway | None = None
        self._waiting: list[Callable[[StoreAway | None], None]] = []

    def done(self) -> bool:
        """Whether it is known."""
        return self._known

    def tell(self, outcome: StoreAway | None) -> None:
        """Make it known, once. What fails in one who waits is not the others' affair."""
        self._known, self._outcome = True, outcome
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            try:
                each(outcome)
            except Exception:  # noqa: BLE001  # the event loop would do the same for its callbacks
                structlog.get_logger().exception("ingest", outcome="bug")

    def then(self, call: Callable[[StoreAway | None], None]) -> None:
        """Call this when it is known, which may be now."""
        if self._known:
            call(self._outcome)
        else:
            self._waiting.append(call)

    def __await__(self) -> Generator[Any, None, StoreAway | None]:
        if not self._known:
            told = asyncio.get_running_loop().create_future()
            self.then(lambda outcome: None if told.done() else told.set_result(None))
            yield from told
        return self._outcome


@dataclass(slots=True)
class Lot:
    """The events of one shop in one script call."""

    org: OrgId
    opened_s: float  # the loop's clock
    done: Confirmation = field(default_factory=Confirmation)
    events: list[Event] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)  # of each event, to be counted
    codes: list[str] = field(default_factory=list)  # what became of each, once written
    repeats: int = 0


class LotWriter:
    """Writes lots over a connection of its own. `ring(org, number)` is called for a shop that is to be woken."""

    def __init__(self, redis: ArqRedis, *, retention_s: int, ring: Callable[[OrgId, int], None]) -> None:
        self._redis = redis
        self._retention_s = retention_s
        self._ring = ring
        self._connection: Any = None  # redis-py's `Connection`, which is not typed
        self._sha = b""

    async def write(self, lots: Sequence[Lot]) -> None:
        """Confirm every lot that was written, and give those that the server refused their own failure.

        Raises redis' errors and OSError when the rest may not be there.
        """
        try:
            missing = await self._call(lots)
        except (RedisConnectionError, OSError):  # an idle connection was closed: once more on a fresh one
            await self.close()
            missing = await self._call([lot for lot in lots if not lot.done.done()])
        if missing:  # the server forgot its scripts: a restart, or SCRIPT FLUSH
            await self.close()
            if await self._call(missing):
                raise NoScriptError("the script is gone again")

    async def close(self) -> None:
        """Close the connection: replies that are still to come would be taken for those of the next lots."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.disconnect(nowait=True)

    async def _call(self, lots: Sequence[Lot]) -> list[Lot]:
        """One round trip for all lots; returns those that found no script.

        A shop whose call failed gets its own failure; the others of the batch are written.
        """
        connection = await self._connected()
        missing: list[Lot] = []
        packed = [hiredis.pack_command(self._command(lot)) for lot in lots]
        await connection.send_packed_command(packed, check_health=False)
        for lot in lots:
            try:
                reply = await connection.read_response(disable_decoding=True)
            except NoScriptError:
                missing.append(lot)
            except ReadOnlyError:
                raise  # the server became a replica: the connection is of no more use
            except ResponseError as exc:
                lot.done.tell(StoreAway(f"Redis refused the write: {type(exc).__name__}"))
            else:
                self._confirm(lot, reply)
        return missing

    def _command(self, lot: Lot) -> tuple[Any, ...]:
        arg = arguments(lot.events, lane="live", retention_s=self._retention_s)
        return (b"EVALSHA", self._sha, 2, *keys.of_script(lot.org), *arg)

    def _confirm(self, lot: Lot, reply: list[Any]) -> None:
        wake, number, _, _, codes, repeats = reply
        lot.codes = codes.decode().split(",")
        lot.repeats = repeats.count(b"1")
        if wake:
            self._ring(lot.org, number)
        lot.done.tell(None)

    async def _connected(self) -> Any:
        """A connection of our own: the pool would hand it to others between two batches."""
        if self._connection is None:
            pool = self._redis.connection_pool
            # Without a time limit for each reply, which costs as much as the reply: the batch has one.
            connection: Any = pool.connection_class(**{**pool.connection_kwargs, "socket_timeout": None})
            await connection.connect()
            await connection.send_command(
                "SCRIPT LOAD", script_text("queue", "mark_dirty"), check_health=False
            )
            self._sha = await connection.read_response(disable_decoding=True)
            self._connection = connection
        return self._connection
