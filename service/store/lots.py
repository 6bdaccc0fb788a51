"""Lots of events on their way to the store: a connection of our own, one round trip for several lots at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import hiredis
from arq.connections import ArqRedis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.domain.customers import OrgId
from service.errors import StoreAway
from service.store import keys
from service.store.marks import Event, arguments
from service.store.script import source

SCRIPT: Final = ("place", "mark")


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


class LotWriter:
    """Writes lots over a connection of its own. `ring(org, number)` is called for a shop that is to be woken."""

    def __init__(self, redis: ArqRedis, *, retention_s: int, ring: Callable[[OrgId, int], None]) -> None:
        self._redis = redis
        self._retention_s = retention_s
        self._ring = ring
        self._connection: AbstractConnection | None = None
        self._sha = b""

    async def write(self, lots: Sequence[Lot]) -> None:
        """Confirm every lot that was written, and give those that the server refused their own failure.

        Raises redis' errors and OSError when the rest may not be there.
        """
        try:
            missing = await self._call(await self._connected(), lots)
        except (RedisConnectionError, OSError):  # an idle connection was closed: once more on a fresh one
            await self.hang_up()
            missing = await self._call(await self._connected(), [lot for lot in lots if not lot.done.done()])
        if missing:  # the server forgot its scripts: a restart, or SCRIPT FLUSH
            connection = await self._connected()
            await self._load(connection)
            if await self._call(connection, missing):
                raise NoScriptError("the script is gone again")

    async def hang_up(self) -> None:
        """Let go of the connection: answers to what is out could be taken for answers to the next lots."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(RedisError, OSError, TimeoutError):
                await connection.disconnect(nowait=True)

    async def _call(self, connection: AbstractConnection, lots: Sequence[Lot]) -> list[Lot]:
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
            self._ring(lot.org, number)

    async def _connected(self) -> AbstractConnection:
        """A connection of our own: the pool would hand it to others between two batches."""
        if self._connection is None:
            connection: AbstractConnection = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
            # Whoever calls has a deadline; redis-py's own would cost a task for each call.
            connection.socket_timeout = None
            self._connection = connection
        if not self._connection.is_connected:
            await self._connection.connect()  # type: ignore[no-untyped-call]
            await self._load(self._connection)
        return self._connection

    async def _load(self, connection: AbstractConnection) -> None:
        await connection.send_command("SCRIPT LOAD", source(*SCRIPT), check_health=False)
        self._sha = await connection.read_response(disable_decoding=True)
