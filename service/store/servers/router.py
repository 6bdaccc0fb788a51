"""The router: which server gets a command, and what happens when that server is away or no longer the right one."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
from redis.exceptions import AskError, MovedError, NoScriptError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from service.runtime import cancel_and_wait
from service.store.servers.address import Address, Endpoint
from service.store.servers.cluster import ClusterMap, ClusterView, slot_of
from service.store.servers.connection import ConnectionOptions
from service.store.servers.discovery import find_primary, load_views
from service.store.servers.errors import is_temporary
from service.store.servers.server import ASKING, Command, Server, result_of, share

T = TypeVar("T")

MIN_PAUSE_S: Final = 0.02  # before a command is repeated; doubles
MAX_PAUSE_S: Final = 0.25
MIN_LOOK_INTERVAL_S: Final = 0.05
LOOK_INTERVAL_S: Final = 1.0  # without an error: finds a primary that hangs, and connections to a former one
MAX_ASKED: Final = 3  # nodes in a look without an error
MAX_IMMEDIATE: Final = 3  # repetitions without a pause


class Attempts:
    """The attempts for one command: some of them at once, the others after a pause, for a limited time."""

    def __init__(self, patience_s: float) -> None:
        self._deadline_s = time.monotonic() + patience_s
        self._pause_s = MIN_PAUSE_S
        self._immediate = 0

    def may_be_immediate(self) -> bool:
        """Whether the next attempt needs no pause. Two servers that name each other are not asked without end."""
        self._immediate += 1
        return self._immediate <= MAX_IMMEDIATE

    async def wait(self) -> bool:
        """Wait before the next attempt. False, at once, if the time is over."""
        if time.monotonic() + self._pause_s > self._deadline_s:
            return False
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)
        return True


class Router:
    """Sends commands to the servers of one store.

    A command is repeated for `patience_s` if its server is lost, loads its data, is a replica, or gave the slot away.
    So every command must bear to run twice. Then its last error is raised.
    """

    def __init__(
        self,
        address: Address,
        *,
        options: Callable[[], ConnectionOptions],
        sentinel_options: Callable[[], ConnectionOptions],
        patience_s: float,
    ) -> None:
        self._address = address
        self._load_options = options  # reads files, so not before the first connection
        self._load_sentinel_options = sentinel_options
        self._options: ConnectionOptions | None = None
        self._patience_s = patience_s
        self._servers: dict[Endpoint, Server] = {}
        self._observers: dict[Endpoint, Server] = {}
        self._map = ClusterMap()
        self._primary: Endpoint | None = address.endpoints[0] if address.kind == "single" else None
        self._looking: asyncio.Task[None] | None = None
        self._looked_s = -1e9
        self._watching: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def address(self) -> Address:
        """The address of the store."""
        return self._address

    @property
    def is_cluster(self) -> bool:
        """Whether slots may have different owners."""
        return self._address.kind == "cluster"

    # --- servers

    def owner(self, slot: int | None) -> Server | None:
        """The server that owns the slot, as far as it is known."""
        endpoint = self._map.owner(slot or 0) if self.is_cluster else self._primary
        return None if endpoint is None else self._server(endpoint)

    def endpoint_of(self, key: str) -> Endpoint | None:
        """Where the owner of this key listens, as far as it is known."""
        return self._map.owner(slot_of(key.encode())) if self.is_cluster else self._primary

    async def find_owner_of(self, key: str) -> Server:
        """The server that owns this key. Raises redis' errors."""
        return await self.find_owner(slot_of(key.encode()))

    @property
    def fails_over(self) -> bool:
        """Whether another server takes over from one that is away."""
        return self._address.kind != "single"

    async def find_owner(self, slot: int | None) -> Server:
        """The server that owns the slot. Raises redis' errors if no server says who it is."""
        server = self.owner(slot)
        if server is None:
            await self.look()
            server = self.owner(slot)
        if server is None:
            raise RedisConnectionError(f"no server owns slot {slot}")
        return server

    async def primaries(self) -> list[Server]:
        """Every server that owns slots, also one that does not answer. Raises redis' errors."""
        if not self.is_cluster:
            return [await self.find_owner(0)]
        if not self._map.owners():
            await self.look()
        return [self._server(endpoint) for endpoint in self._map.owners()]

    def open_server(self, endpoint: Endpoint) -> Server:
        """A server that gets no commands of callers, such as a replica. The caller closes it."""
        return Server(endpoint, self._load_options())

    def sentinels(self) -> list[Server]:
        """The sentinels of the address."""
        if self._address.kind != "sentinel":
            return []
        return [self._observer(endpoint) for endpoint in self._address.endpoints]

    def _server(self, endpoint: Endpoint) -> Server:
        server = self._servers.get(endpoint)
        if server is None:
            self._require_open()
            if self._options is None:
                self._options = self._load_options()
            server = self._servers[endpoint] = Server(endpoint, self._options)
        return server

    def _require_open(self) -> None:
        if self._is_closed:
            raise RedisConnectionError("the client was closed")

    async def follow(
        self,
        address: Address,
        *,
        options: Callable[[], ConnectionOptions],
        sentinel_options: Callable[[], ConnectionOptions],
        patience_s: float,
    ) -> None:
        """Send commands to the servers of another store, which has the data now, and close the connections to the old ones.

        Callers whose command is repeated get the reply of the new store.
        """
        if self._looking is not None:
            await asyncio.wait([self._looking])  # its result belongs to the old store
        servers = [*self._servers.values(), *self._observers.values()]
        self._address, self._patience_s = address, patience_s
        self._load_options, self._load_sentinel_options, self._options = options, sentinel_options, None
        self._servers, self._observers, self._map, self._looking = {}, {}, ClusterMap(), None
        self._primary = address.endpoints[0] if address.kind == "single" else None
        for server in servers:
            await server.close()

    async def close(self) -> None:
        """Close all connections. Commands that wait for a reply, and later ones, raise redis' ConnectionError."""
        self._is_closed = True
        await cancel_and_wait(*(task for task in (self._watching, self._looking) if task is not None))
        self._watching = self._looking = None
        servers = [*self._servers.values(), *self._observers.values()]
        self._servers, self._observers = {}, {}
        for server in servers:
            await server.close()

    # --- commands

    async def execute(self, command: Command) -> Any:
        """The reply to a command. Raises redis' errors."""
        server = self.owner(command.slot)
        connection = None if server is None else server.open_connection
        if connection is not None:  # nearly always
            try:
                return await connection.send(command.packed)
            except RedisError as exc:
                if not (self._must_repeat(exc) or (command.script and isinstance(exc, NoScriptError))):
                    raise
        return await self.run(command.slot, lambda server: self._execute_at(server, command))

    async def _execute_at(self, server: Server, command: Command) -> Any:
        try:
            return await server.execute(command)
        except AskError as exc:
            if not self._is_ask(exc):
                raise
            return await self._ask_other(command, exc)

    async def run(self, slot: int | None, call: Callable[[Server], Awaitable[T]]) -> T:
        """Call with the owner of the slot, and again with the owner by then, as for a command. Raises redis' errors."""
        attempts = Attempts(self._patience_s)
        while True:
            try:
                return await call(self.owner(slot) or await self.find_owner(slot))
            except RedisError as exc:
                if not self._must_repeat(exc) or not await self._prepare([(slot, exc)], attempts):
                    raise

    async def execute_many(
        self, commands: Sequence[Command], *, patience_s: float | None = None
    ) -> list[Any]:
        """The reply or error of each command. Those of one server share a round trip; all servers work at once.

        Commands with the same slot are executed in order, unless only some of them must be repeated.
        """
        replies: list[Any] = [None] * len(commands)
        indexes: Sequence[int] = range(len(commands))
        attempts = Attempts(self._patience_s if patience_s is None else patience_s)
        while True:
            await self._send_all(commands, indexes, replies)
            indexes = [index for index in indexes if self._must_repeat(replies[index])]
            if not indexes or not await self._prepare(
                [(commands[index].slot, replies[index]) for index in indexes], attempts
            ):
                return replies

    async def _prepare(self, failed: Sequence[tuple[int | None, RedisError]], attempts: Attempts) -> bool:
        """Learn from the errors, and wait if that may help. False if there is no time for another attempt."""
        if self._is_closed:
            return False
        is_redirected = True
        for slot, error in failed:
            owner = self._named(error) if isinstance(error, MovedError) else None
            if slot is not None and owner is not None:
                self._map.move(slot, owner)
            else:
                is_redirected = False
        if is_redirected and attempts.may_be_immediate():
            return True
        if not await attempts.wait():
            return False
        with suppress(RedisError):  # the commands are tried again where they were
            await self.look()
        return True

    async def _send_all(
        self, commands: Sequence[Command], indexes: Sequence[int], replies: list[Any]
    ) -> None:
        groups: dict[Server, list[int]] = {}
        for index in indexes:
            try:
                server = self.owner(commands[index].slot) or await self.find_owner(commands[index].slot)
            except RedisError as exc:
                replies[index] = exc
            else:
                groups.setdefault(server, []).append(index)
        sends = [self._send_group(server, commands, group, replies) for server, group in groups.items()]
        if len(sends) == 1:
            await sends[0]
        else:
            await asyncio.gather(*sends)

    async def _send_group(
        self, server: Server, commands: Sequence[Command], indexes: Sequence[int], replies: list[Any]
    ) -> None:
        group = [commands[index] for index in indexes]
        for index, reply in zip(indexes, await server.execute_many(group), strict=True):
            replies[index] = reply
            if self._is_ask(reply):
                try:
                    replies[index] = await self._ask_other(commands[index], reply)
                except RedisError as exc:
                    replies[index] = exc

    async def _ask_other(self, command: Command, error: AskError) -> Any:
        """The key has moved to another server, its slot has not yet. Raises redis' errors."""
        other = self._named(error)
        if other is None:
            raise error
        _, reply = await self._server(other).execute_many([ASKING, command])
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _named(self, error: AskError) -> Endpoint | None:
        """The server that a redirection names. None if it does not: the sender does not know its name, or hides it."""
        if error.host in ("", "?") or not 0 < error.port < 65_536:
            return None
        return self._map.name(Endpoint(error.host, error.port))

    def _is_ask(self, reply: Any) -> bool:
        return self.is_cluster and isinstance(reply, AskError) and not isinstance(reply, MovedError)

    def _must_repeat(self, reply: Any) -> bool:
        return isinstance(reply, RedisError) and (
            is_temporary(reply) or (self.is_cluster and isinstance(reply, AskError))
        )

    # --- which server owns what

    async def look(self, *, all_nodes: bool = True) -> None:
        """Ask who owns what. Callers that need it at the same time share one look. Raises redis' errors."""
        if self._address.kind == "single":
            return
        self._require_open()
        if self._looking is None or self._looking.done():
            self._looking = share(self._look(all_nodes=all_nodes))
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        await result_of(self._looking)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            try:
                await self.look(all_nodes=False)
            except RedisError:
                continue  # a caller gets the error of its own command
            except Exception:  # noqa: BLE001  # outermost loop: without it a failover would not be noticed
                structlog.get_logger().exception("store_topology", outcome="error")

    async def _look(self, *, all_nodes: bool) -> None:
        pause_s = self._looked_s + MIN_LOOK_INTERVAL_S - time.monotonic()
        if pause_s > 0:
            await asyncio.sleep(pause_s)
        self._looked_s = time.monotonic()
        if self._address.kind == "sentinel":
            sentinels = [self._observer(endpoint) for endpoint in self._address.endpoints]
            self._primary = await find_primary(sentinels, self._address.service)
            owners = {self._primary}
        else:
            views = await self._load_views(all_nodes=all_nodes)
            self._map = ClusterMap(views)
            owners = set(self._map.owners())
        for endpoint in [endpoint for endpoint in self._servers if endpoint not in owners]:
            # It is a replica now, or gone: callers that wait for it must not wait until its timeout.
            await self._servers.pop(endpoint).close()
        known = {*self._map.nodes, *self._address.endpoints} - owners
        for endpoint in [endpoint for endpoint in self._observers if endpoint not in known]:
            await self._observers.pop(endpoint).close()

    async def _load_views(self, *, all_nodes: bool) -> list[ClusterView]:
        nodes = list(dict.fromkeys([*self._servers, *self._map.nodes, *self._address.endpoints]))
        if not all_nodes and len(nodes) > MAX_ASKED:
            nodes = secrets.SystemRandom().sample(nodes, MAX_ASKED)
        return await load_views([self._servers.get(node) or self._observer(node) for node in nodes])

    def _observer(self, endpoint: Endpoint) -> Server:
        """A sentinel, or a node that owns no slot. It is asked who owns what."""
        server = self._observers.get(endpoint)
        if server is None:
            is_sentinel = self._address.kind == "sentinel"
            options = self._load_sentinel_options() if is_sentinel else self._load_options()
            server = self._observers[endpoint] = Server(endpoint, options)
        return server
