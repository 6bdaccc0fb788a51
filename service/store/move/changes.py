"""Which keys of a server change: it names each of them (`CLIENT TRACKING`, https://valkey.io/topics/client-side-caching/)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.runtime import cancel_and_wait
from service.store.servers import Address, Endpoint, pack_command

PREFIX: Final = "tagger:{p"
TIMEOUT_S: Final = 5.0
CHUNK_BYTES: Final = 1 << 16
_NOTHING: Final = object()


class ChangeFeed:
    """The keys that changed at one server since they were last taken. A lost connection makes every later call fail."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._parser = hiredis.Reader(notEnoughData=_NOTHING)
        self._changed: set[bytes] = set()
        self._replies: asyncio.Queue[Any] = asyncio.Queue()
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, endpoint: Endpoint, address: Address) -> ChangeFeed:
        """Connect and ask for the names. Raises redis' errors, also of a server that cannot do it (before Redis 6)."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                tls = address.tls_context()
                if endpoint.port:
                    streams = await asyncio.open_connection(endpoint.host, endpoint.port, ssl=tls)
                else:
                    streams = await asyncio.open_unix_connection(endpoint.host)
        except OSError as exc:  # a timeout is an OSError
            raise RedisConnectionError(f"no connection to {endpoint}: {exc}") from exc
        feed = cls(*streams)
        try:
            who = address.credentials
            sign_in = ("AUTH", who.username or "default", who.password) if who.password else ()
            await feed._ask("HELLO", 3, *sign_in)
            if address.db:
                await feed._ask("SELECT", address.db)
            await feed._ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", PREFIX)
        except BaseException:
            await feed.close()
            raise
        return feed

    async def take(self) -> set[bytes]:
        """The keys that changed before this call, since the last call. Raises redis' errors."""
        await self._ask("PING")  # the server names earlier changes before it answers
        changed, self._changed = self._changed, set()
        return changed

    async def close(self) -> None:
        """Close the connection."""
        await cancel_and_wait(self._task)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _ask(self, *words: Any) -> Any:
        if self._task.done():
            raise RedisConnectionError("the connection that names changes was lost")
        self._writer.write(pack_command(*words))
        getting = asyncio.ensure_future(self._replies.get())
        try:
            await asyncio.wait({getting, self._task}, timeout=TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                if self._task.done():
                    raise RedisConnectionError("the connection that names changes was lost")
                raise RedisTimeoutError("the server does not answer")
        finally:
            getting.cancel()
        reply = getting.result()
        if isinstance(reply, hiredis.ReplyError):
            raise ResponseError(str(reply))
        return reply

    async def _read(self) -> None:
        """Ends when the connection is lost, or after FLUSHALL: then nobody knows what changed."""
        with contextlib.suppress(OSError, hiredis.ProtocolError):
            while data := await self._reader.read(CHUNK_BYTES):
                self._parser.feed(data)
                while (reply := self._parser.gets()) is not _NOTHING:
                    if not isinstance(reply, hiredis.PushNotification):
                        self._replies.put_nowait(reply)
                    elif reply[0] == b"invalidate":
                        if reply[1] is None:
                            return
                        self._changed.update(reply[1])


class ChangeFeeds:
    """The feeds of all servers of a store."""

    def __init__(self, feeds: Sequence[ChangeFeed]) -> None:
        self._feeds = feeds

    @classmethod
    async def open(cls, endpoints: Sequence[Endpoint], address: Address) -> ChangeFeeds:
        """Raises redis' errors."""
        opened: list[ChangeFeed] = []
        try:
            for endpoint in endpoints:
                opened.append(await ChangeFeed.open(endpoint, address))  # noqa: PERF401  # those that are open must be closed
        except BaseException:
            await cls(opened).close()
            raise
        return cls(opened)

    async def take(self) -> set[bytes]:
        """The keys that changed since the last call. Raises redis' errors."""
        return set().union(*[await feed.take() for feed in self._feeds])

    async def close(self) -> None:
        """Close all connections."""
        for feed in self._feeds:
            await feed.close()
