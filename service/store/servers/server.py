"""One server: the connection that all callers share, and connections for transactions that watch keys."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.runtime import cancel_and_wait
from service.store.servers.address import Endpoint
from service.store.servers.connection import Connection, ConnectionOptions, pack_command
from service.store.servers.errors import copy_of

T = TypeVar("T")

MAX_EXCLUSIVE: Final = 64  # transactions at the same time
MAX_IDLE: Final = 4  # connections that are kept for the next transactions


class Command(NamedTuple):
    """A packed command. `script` is the text of the script that it calls by digest."""

    packed: bytes
    slot: int | None = None  # None: it has no key, and any server may execute it
    script: str = ""


ASKING: Final = Command(pack_command("ASKING"))


class Server:
    """One server. Connects when it is first needed, and again after the connection was lost."""

    def __init__(self, endpoint: Endpoint, options: ConnectionOptions) -> None:
        self.endpoint = endpoint
        self._options = options
        self._shared: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None
        self._idle: list[Connection] = []
        self._exclusive: set[Connection] = set()
        self._others: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._slots = asyncio.Semaphore(MAX_EXCLUSIVE)
        self._is_closed = False

    @property
    def open_connection(self) -> Connection | None:
        """The shared connection, if it is open."""
        shared = self._shared
        return shared if shared is not None and shared.is_open else None

    async def connection(self) -> Connection:
        """The shared connection. Callers that need it at the same time wait for one attempt. Raises redis' errors."""
        if (shared := self.open_connection) is not None:
            return shared
        if self._opening is None or self._opening.done():
            self._opening = share(self._open_shared())
        return await result_of(self._opening)

    async def _open_shared(self) -> Connection:
        self._shared = await self._open()
        return self._shared

    async def _open(self) -> Connection:
        self._require_open()
        connection = await Connection.open(self.endpoint, self._options)
        try:
            self._require_open()
        except RedisError:
            connection.close()
            raise
        return connection

    def _require_open(self) -> None:
        if self._is_closed:
            raise RedisConnectionError(f"{self.endpoint} is no server of this store any more")

    async def acquire(self) -> Connection:
        """A connection for one transaction. It must be released.

        Raises redis' errors, TimeoutError also if none of `MAX_EXCLUSIVE` connections becomes free.
        """
        timeout_s = self._options.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._slots.acquire()
        except TimeoutError as exc:
            text = f"no connection for a transaction became free at {self.endpoint} in {timeout_s} s"
            raise RedisTimeoutError(text) from exc
        try:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_open:
                    break
            else:
                connection = await self._open()
        except BaseException:
            self._slots.release()
            raise
        self._exclusive.add(connection)
        return connection

    def release(self, connection: Connection, *, is_clean: bool) -> None:
        """Give a connection back. One that may watch keys, or owes a reply, is closed."""
        if connection in self._exclusive:
            self._exclusive.discard(connection)
            self._slots.release()
        if is_clean and connection.is_open and not self._is_closed and len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    async def open_another(self) -> Connection:
        """A new connection, which the caller closes, or this server when it is closed. Raises redis' errors."""
        connection = await self._open()
        self._others.add(connection)
        return connection

    async def close(self) -> None:
        """Close all connections. Waiting callers get redis' ConnectionError."""
        self._is_closed = True
        connections = [
            *self._idle,
            *self._exclusive,
            *self._others,
            *([self._shared] if self._shared else []),
        ]
        self._idle.clear()
        for connection in connections:
            connection.close()
        if self._opening is not None:
            await cancel_and_wait(self._opening)

    async def ask(self, *command: Any) -> Any:
        """Send one command to this server, wherever its keys are. Raises redis' errors."""
        return await self.execute(Command(pack_command(*command)))

    async def execute(self, command: Command) -> Any:
        """The reply of this server. Loads a script that it does not have. Raises redis' errors."""
        return await self.use(lambda connection: self._execute(connection, command))

    async def _execute(self, connection: Connection, command: Command) -> Any:
        try:
            return await connection.send(command.packed)
        except NoScriptError:
            if not command.script:
                raise
            await connection.send(_load(command.script))
            return await connection.send(command.packed)

    async def execute_many(
        self, commands: Sequence[Command], *, patience_s: float | None = None
    ) -> list[Any]:
        """The reply or error of each command, in one round trip. Loads scripts that the server does not have.

        There is one attempt, whatever `patience_s` is.
        """
        try:
            return await self.use(lambda connection: self._execute_many(connection, commands))
        except RedisError as exc:
            return [exc] * len(commands)

    async def _execute_many(self, connection: Connection, commands: Sequence[Command]) -> list[Any]:
        replies = await connection.send_batch([command.packed for command in commands])
        missing = [
            index
            for index, reply in enumerate(replies)
            if isinstance(reply, NoScriptError) and commands[index].script
        ]
        if missing:
            texts = sorted({commands[index].script for index in missing})
            again = [*map(_load, texts), *(commands[index].packed for index in missing)]
            repeated = (await connection.send_batch(again))[len(texts) :]
            for index, reply in zip(missing, repeated, strict=True):
                replies[index] = reply
        return replies

    async def use(self, call: Callable[[Connection], Awaitable[T]]) -> T:
        """Call with the shared connection; and once more with a new one if the old one turns out to be closed."""
        connection = self.open_connection
        if connection is not None:
            try:
                return await call(connection)
            except RedisConnectionError:
                if connection.is_open or self._is_closed:
                    raise
        return await call(await self.connection())

    async def run(self, _: int | None, call: Callable[[Server], Awaitable[T]]) -> T:
        """Call with this server: a client that is bound to it asks no other."""
        return await call(self)


def _load(script: str) -> bytes:
    packed: bytes = pack_command("SCRIPT", "LOAD", script)
    return packed


def share(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task for `result_of`. Its error is no news if all callers have given up."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


async def result_of(shared: asyncio.Task[T]) -> T:
    """The result of a task that several callers wait for. A caller that is cancelled leaves it to the others.

    Raises the errors of the task, and redis' ConnectionError if the task was cancelled, because this process closes the
    connection. `asyncio.shield` would raise CancelledError then, which ends the caller's task without a word.
    """
    await asyncio.wait([shared])
    if shared.cancelled():
        raise RedisConnectionError("the connection was closed by this process")
    error = shared.exception()
    if isinstance(error, RedisError):
        raise copy_of(error) from error
    return shared.result()
