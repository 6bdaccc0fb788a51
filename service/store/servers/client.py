"""The client of the store: redis-py's commands, sent by the router to the servers that own the keys."""

from __future__ import annotations

import asyncio
import hashlib
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.client import NEVER_DECODE
from redis.commands import AsyncCoreCommands
from redis.exceptions import WatchError

from service.store.servers.address import Endpoint
from service.store.servers.cluster import slot_of
from service.store.servers.errors import LOST
from service.store.servers.pipeline import Executor, Pipeline, pack, prefix_of
from service.store.servers.router import MAX_PAUSE_S, MIN_PAUSE_S, Router
from service.store.servers.server import Server

T = TypeVar("T")


class RegisteredScript:
    """A script of redis-py's locks. It is loaded by the server that has the keys of the call."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, *, keys: Sequence[str], args: Sequence[Any], client: Commands) -> Any:
        """The reply to the call. Raises redis' errors."""
        words = ("EVALSHA", self._sha, len(keys), *keys, *args)
        return await client.execute_command(*words, script=self._text)


class Commands(AsyncCoreCommands):
    """redis-py's commands over an executor. Replies have the types of redis-py; strings are bytes."""

    def __init__(self, executor: Executor, *, is_cluster: bool, reply_parsers: Mapping[Any, Any]) -> None:
        self._executor = executor
        self._is_cluster = is_cluster
        self._reply_parsers = reply_parsers
        self.connection_pool = ConnectionPool()  # never connects: redis-py's locks ask it for an encoder

    async def execute_command(
        self, *args: Any, near: str | bytes | None = None, script: str = "", **options: Any
    ) -> Any:
        """The reply to a command, parsed as redis-py parses it. Raises redis' errors."""
        reply = await self._executor.execute(pack(args, near=near, script=script))
        parser = self._reply_parsers.get(args[0])
        options.pop("keys", None)  # redis-py's own, for its cache and its decoding
        options.pop(NEVER_DECODE, None)
        return reply if parser is None else parser(reply, **options)

    def register_script(self, script: Any) -> Any:
        """redis-py's locks register their scripts."""
        return RegisteredScript(script)

    def get_encoder(self) -> Any:
        """Some of redis-py's commands encode a part of themselves."""
        pool: Any = self.connection_pool
        return pool.get_encoder()

    def get_connection_kwargs(self) -> dict[str, Any]:
        """redis-py's commands ask it whether replies are decoded: they are not."""
        return {}

    def pipeline(self, transaction: bool = True) -> Pipeline:  # redis-py's signature
        """Commands that are sent together. With `transaction` all of one slot, and executed together or not at all."""
        return Pipeline(
            self._executor, self._reply_parsers, is_transaction=transaction, is_guarded=self._is_cluster
        )

    async def transact(self, names: Sequence[str], attempt: Callable[[Pipeline], Awaitable[T]]) -> T:
        """Let `attempt` read, decide and queue, and execute what it queued if none of these keys of one slot has changed.

        Until `multi` the commands of `attempt` are executed at once, then they are queued; without `multi` nothing is
        executed. Returns what the executed `attempt` returned. It is called again, after a pause, if a key has changed,
        and, for as long as a command is repeated, if its server is lost, refuses for a while or gave the slot away.

        A server that is lost while it executes does not say whether it did. So each transaction stores a mark, which is
        watched as well: nothing is executed twice, and nobody takes its own work for somebody else's.

        Raises redis' errors, and those of `attempt`.
        """
        mark = f"{prefix_of(names[0])}:transaction:{secrets.token_hex(8)}"
        lost: list[T] = []  # the results of the attempts that may have been executed

        async def call(server: Server) -> T:
            longest_s = MIN_PAUSE_S
            while True:
                async with self.pipeline() as pipe:
                    await pipe.begin(server, [*names, mark])
                    if lost and (executed := await pipe.get(mark)) is not None:
                        return lost[int(executed)]
                    result = await attempt(pipe)
                    try:
                        await pipe.commit(mark, len(lost))
                    except WatchError:  # full jitter: without it those who collided once collide again
                        await asyncio.sleep(random.uniform(0, longest_s))  # noqa: S311  # no secret
                        longest_s = min(2 * longest_s, MAX_PAUSE_S)
                        continue
                    except LOST:
                        lost.append(result)
                        raise
                    return result

        return await self._executor.run(slot_of(names[0].encode()), call)


class ServerClient(Commands):
    """Commands to one server, wherever the keys are."""

    def __init__(self, server: Server, *, reply_parsers: Mapping[Any, Any]) -> None:
        super().__init__(server, is_cluster=False, reply_parsers=reply_parsers)
        self.server = server
        self.endpoint = server.endpoint


class StoreClient(Commands):
    """The client of one server, of the primary that sentinels name, or of a cluster. Connects lazily.

    Errors are those of redis-py, and those of `service.store.servers.errors`.
    """

    def __init__(self, router: Router) -> None:
        super().__init__(router, is_cluster=router.is_cluster, reply_parsers=Redis().response_callbacks)
        self.router = router

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def servers(self) -> list[ServerClient]:
        """A client of each primary, also of one that is away. Raises redis' errors if nobody says which there are."""
        return [
            ServerClient(server, reply_parsers=self._reply_parsers)
            for server in await self.router.primaries()
        ]

    @asynccontextmanager
    async def server_at(self, endpoint: Endpoint) -> AsyncIterator[ServerClient]:
        """A client of one server, which may be a replica. It asks no other."""
        server = self.router.open_server(endpoint)
        try:
            yield ServerClient(server, reply_parsers=self._reply_parsers)
        finally:
            await server.close()

    async def flushall(self, *_: Any, **__: Any) -> bool:
        """Delete everything on every primary. For tests."""
        for server in await self.servers():
            await server.flushall()
        return True

    async def aclose(self) -> None:
        """Close all connections."""
        await self.router.close()
