"""Pipelines: commands that are sent together, and transactions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from redis.asyncio import ConnectionPool
from redis.commands import AsyncCoreCommands
from redis.exceptions import DataError, ExecAbortError, RedisError, ResponseError, WatchError

from service.store.servers.cluster import slot_of
from service.store.servers.connection import Connection, pack_command
from service.store.servers.errors import to_error
from service.store.servers.server import Command, Server

T = TypeVar("T")

KEYLESS: Final = frozenset(
    [
        "ACL",
        "BGREWRITEAOF",
        "BGSAVE",
        "CLIENT",
        "CLUSTER",
        "COMMAND",
        "CONFIG",
        "DBSIZE",
        "FLUSHALL",
        "FLUSHDB",
        "INFO",
        "LASTSAVE",
        "PING",
        "REPLICAOF",
        "ROLE",
        "SAVE",
        "SCAN",
        "SCRIPT",
        "SHUTDOWN",
        "TIME",
        "WAIT",
        "WAITAOF",
    ]
)
KEY_IS_SECOND: Final = frozenset(["DEBUG", "MEMORY", "OBJECT"])
KEY_IS_THIRD: Final = frozenset(["EVAL", "EVALSHA"])
MULTI: Final = pack_command("MULTI")
EXEC: Final = pack_command("EXEC")
MARK_S: Final = 60  # of an executed transaction; longer than any command is repeated


class Executor(Protocol):
    """What a client sends commands to: the router, or one server."""

    async def execute(self, command: Command) -> Any:
        """The reply. Raises redis' errors."""
        ...

    async def execute_many(
        self, commands: Sequence[Command], *, patience_s: float | None = None
    ) -> list[Any]:
        """The reply or error of each command, repeated for `patience_s`."""
        ...

    async def run(self, slot: int | None, call: Callable[[Server], Awaitable[T]]) -> T:
        """Call with the owner of the slot, and again if it is lost or another server is the owner."""
        ...


def pack(args: tuple[Any, ...], *, near: str | bytes | None = None, script: str = "") -> Command:
    """Pack a command. `near` is a key whose server gets a command without a key. Raises redis' DataError."""
    name = args[0]
    if isinstance(name, bytes):
        name = name.decode()
    if " " in name:  # redis-py writes some commands as one word
        args = (*name.split(), *args[1:])
        name = args[0]
    try:
        packed = pack_command(*args)
    except (TypeError, UnicodeEncodeError) as exc:  # a lone surrogate is no text
        raise DataError(f"{name}: a value is neither bytes, text nor a number") from exc
    key = _key_of(name, args) if near is None else near
    if key is None:
        return Command(packed, None, script)
    return Command(packed, slot_of(key if isinstance(key, bytes) else str(key).encode()), script)


def _key_of(name: str, args: tuple[Any, ...]) -> str | bytes | None:
    if name in KEYLESS:
        return None
    place = 1
    if name in KEY_IS_THIRD:
        place = 3 if int(args[2]) else len(args)
    elif name in KEY_IS_SECOND:
        place = 2
    key: str | bytes | None = args[place] if place < len(args) else None
    return key


class Pipeline(AsyncCoreCommands):
    """Collects redis-py's commands until `execute`. Use it as an asynchronous context manager.

    Without a transaction the commands may have any slots: those of one server share a round trip.

    A transaction has the keys of one slot. One that watches keys is begun by `Commands.transact`.
    """

    def __init__(
        self,
        executor: Executor,
        reply_parsers: Mapping[Any, Any],
        *,
        is_transaction: bool,
        is_guarded: bool,
    ) -> None:
        self.connection_pool = ConnectionPool()  # redis-py's commands expect one; it never connects
        self._executor = executor
        self._reply_parsers = reply_parsers
        self._is_transaction = is_transaction
        self._is_guarded = is_guarded
        self._queue: list[tuple[Command, Any, Mapping[str, Any]]] = []  # with name and options for the parser
        self._guard: tuple[bytes, ...] = ()
        self._watched: tuple[Server, Connection] | None = None
        self._is_immediate = False

    async def __aenter__(self) -> Pipeline:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._release(is_clean=False)

    def __len__(self) -> int:
        return len(self._queue)

    def __bool__(self) -> bool:
        return True  # also when it is empty

    def execute_command(
        self, *args: Any, near: str | bytes | None = None, script: str = "", **options: Any
    ) -> Any:
        """Queue a command. After `watch` it is executed at once, and its reply is awaited."""
        options.pop("keys", None)  # redis-py's own, for its cache
        command = pack(args, near=near, script=script)
        if self._is_immediate:
            return self._execute_now(command, args[0], options)
        if self._is_guarded and not self._guard and command.slot is not None:
            self._guard = guard_of(args[1] if near is None else near)
        self._queue.append((command, args[0], options))
        return self

    async def _execute_now(self, command: Command, name: Any, options: Mapping[str, Any]) -> Any:
        if self._watched is None:
            raise RuntimeError("the transaction has ended")
        return self._parse(await self._watched[1].send(command.packed), name, options)

    async def begin(self, server: Server, names: Sequence[str]) -> None:
        """Watch keys of one slot, over a connection of its own. Commands are executed at once until `multi`.

        If one of the keys changes, `commit` raises WatchError. Raises redis' errors.
        """
        self._guard = guard_of(names[0]) if self._is_guarded else ()
        connection = await server.acquire()
        self._watched = server, connection
        for reply in await connection.send_batch([*self._guard, pack_command("WATCH", *names)]):
            if isinstance(reply, Exception):
                raise reply
        self._is_immediate = True

    def multi(self) -> None:
        """The commands that follow are the transaction."""
        self._is_immediate = False

    async def commit(self, mark: str, value: int) -> None:
        """Execute what was queued after `multi`, and set the key `mark` for a minute. Without `multi` nothing is executed.

        Raises WatchError and redis' errors.
        """
        if not self._is_immediate:
            self.set(mark, value, ex=MARK_S)
            await self.execute()

    async def execute(
        self,
        raise_on_error: bool = True,
        *,
        patience_s: float | None = None,
    ) -> list[Any]:
        """The replies to all queued commands. Then the queue is empty, and no key is watched.

        Raises redis' errors, WatchError, and the first error among the replies. Without `raise_on_error` errors are
        among the replies. Without a transaction, commands are repeated for `patience_s` instead of the client's time.
        """
        queue, self._queue = self._queue, []
        slot = next((command.slot for command, _, _ in queue if command.slot is not None), None)
        commands = [
            command if command.slot is not None else command._replace(slot=slot) for command, _, _ in queue
        ]
        try:
            replies = await self._replies(slot, commands, patience_s)
        finally:
            self._guard = ()
        if raise_on_error:
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
        return [
            reply if isinstance(reply, Exception) else self._parse(reply, name, options)
            for reply, (_, name, options) in zip(replies, queue, strict=True)
        ]

    async def _replies(
        self, slot: int | None, commands: Sequence[Command], patience_s: float | None
    ) -> list[Any]:
        if self._watched is not None:
            try:
                replies = await _transact(self._watched[1], self._guard, commands)
            except (ExecAbortError, WatchError):  # the server has ended the transaction
                self._release(is_clean=True)
                raise
            except RedisError:
                self._release(is_clean=False)
                raise
            self._release(is_clean=True)
            return replies
        if not commands:
            return []
        if not self._is_transaction:
            return await self._executor.execute_many(commands, patience_s=patience_s)

        async def call(server: Server) -> list[Any]:
            return await server.use(lambda connection: _transact(connection, guard, commands))

        guard = self._guard
        return await self._executor.run(slot, call)

    def _release(self, *, is_clean: bool) -> None:
        self._is_immediate = False
        if self._watched is not None:
            (server, connection), self._watched = self._watched, None
            server.release(connection, is_clean=is_clean)

    def _parse(self, reply: Any, name: Any, options: Mapping[str, Any]) -> Any:
        parser = self._reply_parsers.get(name)
        return reply if parser is None else parser(reply, **options)


def guard_of(key: str | bytes) -> tuple[bytes, ...]:
    """A command that is answered with TRYAGAIN while the key's slot is being moved.

    It asks for two keys, of which one never exists. Without it, a transaction on keys that are already at the new server
    would find none of them at the old one.
    """
    text = key.decode() if isinstance(key, bytes) else key
    return (pack_command("EXISTS", f"{prefix_of(text)}:guard", text),)


def prefix_of(key: str) -> str:
    """What a name is appended to for another key of the same slot."""
    return key[: key.index("}") + 1] if "}" in key else key


async def _transact(connection: Connection, guard: Sequence[bytes], commands: Sequence[Command]) -> list[Any]:
    """Execute all commands or none. The replies, errors among them. Raises WatchError and redis' errors."""
    packed = [MULTI, *guard, *(command.packed for command in commands), EXEC]
    *queued, executed = await connection.send_batch(packed)
    if isinstance(executed, ExecAbortError):
        _, _, reason = str(executed).partition("because of: ")
        cause = to_error(reason) if reason else executed
        raise next((reply for reply in queued if isinstance(reply, Exception)), cause)
    if isinstance(executed, Exception):
        raise executed
    if executed is None:
        raise WatchError("a watched key changed")
    if len(executed) != len(commands) + len(guard):
        raise ResponseError("the transaction has too few replies")
    replies: list[Any] = executed[len(guard) :]
    return replies
