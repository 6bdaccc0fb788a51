"""One connection to one server, shared by all callers: each gets the replies to its own commands.

Commands of one turn of the event loop leave in one write. hiredis packs commands and reads replies.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.store.servers.address import Credentials, Endpoint
from service.store.servers.errors import CertificateError, CommandsOverflow, copy_of, to_error

MAX_WAITING: Final = 20_000  # callers of one connection; each has one command or one batch
MAX_UNSENT_BYTES: Final = 64 * 1024 * 1024  # of commands that the server has not taken yet
CHECKS_PER_TIMEOUT: Final = 4  # so a silent server is noticed at most a quarter late
_NOTHING: Final = object()
_REPLY_TYPES: Final = frozenset({bytes, int, list, type(None)})  # of RESP2, besides errors


def pack_command(*words: Any) -> bytes:
    """The bytes of a command."""
    packed: bytes = hiredis.pack_command(words)
    return packed


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How to connect to each server of a store. A server that owes a reply may be silent for `timeout_s`."""

    timeout_s: float = 5.0
    connect_timeout_s: float = 2.0
    credentials: Credentials = field(default_factory=Credentials)
    db: int = 0
    tls: ssl.SSLContext | None = None


class _Batch:
    """The replies to several commands, which are given out together."""

    __slots__ = ("future", "replies", "size")

    def __init__(self, size: int, future: asyncio.Future[list[Any]]) -> None:
        self.size = size
        self.future = future
        self.replies: list[Any] = []


class Connection(asyncio.Protocol):
    """A connection. Replies come in the order of the commands, so a caller that gives up only drops its own reply.

    A server that owes a reply and is silent for `timeout_s` is disconnected, not one that sends slowly. Every waiting
    caller then gets the error, and its command may have been executed or not. A connection belongs to the event loop and
    the process that opened it.
    """

    def __init__(self, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(replyError=to_error, notEnoughData=_NOTHING)
        self._waiting: deque[asyncio.Future[Any] | _Batch] = deque()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._is_congested = False
        self._timeout_s = timeout_s
        self._silent_checks = 0  # since the last bytes, or since somebody waits
        self._reason: RedisError | None = None  # why it is closed
        self._timer: asyncio.TimerHandle | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self.is_open = False

    @classmethod
    async def open(cls, endpoint: Endpoint, options: ConnectionOptions) -> Connection:
        """Connect, sign in and select the database. Raises redis' ConnectionError and TimeoutError."""
        loop = asyncio.get_running_loop()
        connection = cls(options.timeout_s)
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                if not endpoint.port:
                    await loop.create_unix_connection(lambda: connection, endpoint.host)
                else:
                    await loop.create_connection(
                        lambda: connection, endpoint.host, endpoint.port, ssl=options.tls
                    )
                await connection._sign_in(options)
        except TimeoutError as exc:
            connection.close()
            raise RedisTimeoutError(f"no connection to {endpoint} in {options.connect_timeout_s} s") from exc
        except ssl.SSLCertVerificationError as exc:
            connection.close()
            raise CertificateError(f"the certificate of {endpoint} is refused: {exc.verify_message}") from exc
        except (OSError, ValueError, OverflowError) as exc:  # the latter: no such host or port can be
            connection.close()
            raise RedisConnectionError(f"no connection to {endpoint}: {exc}") from exc
        except BaseException:
            connection.close()
            raise
        return connection

    async def _sign_in(self, options: ConnectionOptions) -> None:
        credentials = options.credentials
        if credentials.password or credentials.username:
            names = (credentials.username,) if credentials.username else ()
            await self.send(pack_command("AUTH", *names, credentials.password))
        if options.db:
            await self.send(pack_command("SELECT", options.db))

    def send(self, packed: bytes) -> asyncio.Future[Any]:
        """Send a packed command. The future has its reply, or raises the server's error.

        Raises redis' ConnectionError if the connection is closed, and CommandsOverflow.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue((packed,), future)
        return future

    def send_batch(self, packed: Sequence[bytes]) -> asyncio.Future[list[Any]]:
        """Send packed commands without another in between. The future has all replies in order, errors among them."""
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        if packed:
            self._queue(packed, _Batch(len(packed), future))
        else:
            future.set_result([])
        return future

    def close(self, reason: RedisError | None = None) -> None:
        """Close at once. Every waiting caller gets the reason."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()
        self._fail(reason or RedisConnectionError("the connection was closed by this process"))

    async def wait_closed(self, *, timeout_s: float) -> None:
        """Wait until the connection is closed by either side, for a time."""
        await asyncio.wait([self._closed], timeout=timeout_s)

    def _queue(self, packed: Sequence[bytes], waiting: asyncio.Future[Any] | _Batch) -> None:
        if not self.is_open:
            raise RedisConnectionError(f"the connection is closed: {self._reason}")
        if len(self._waiting) >= MAX_WAITING:
            raise CommandsOverflow(f"{MAX_WAITING} callers wait for one server")
        if self._is_congested and self._unsent_bytes() > MAX_UNSENT_BYTES:
            raise CommandsOverflow("the server takes no commands")
        if not self._unsent:
            self._loop.call_soon(self._flush)
        if not self._waiting:
            self._silent_checks = 0
        self._unsent.extend(packed)
        self._waiting.append(waiting)

    def _unsent_bytes(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and self.is_open and self._transport is not None:
            self._transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))

    def _check_silence(self) -> None:
        if not self.is_open:
            return
        # Checks are counted, not seconds: after a pause of the whole machine the reply comes a moment later.
        self._silent_checks += 1
        if self._waiting and self._silent_checks > CHECKS_PER_TIMEOUT:
            self.close(RedisTimeoutError(f"no reply within {self._timeout_s} s"))
        else:
            self._start_timer()

    def _start_timer(self) -> None:
        self._timer = self._loop.call_later(self._timeout_s / CHECKS_PER_TIMEOUT, self._check_silence)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True
        self._start_timer()

    def pause_writing(self) -> None:
        """Called by the event loop when the server takes commands too slowly."""
        self._is_congested = True

    def resume_writing(self) -> None:
        """Called by the event loop when the server has taken them."""
        self._is_congested = False

    def data_received(self, data: bytes) -> None:
        """Called by the event loop: give each complete reply to its caller."""
        self._silent_checks = 0
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _NOTHING:
                is_valid = type(reply) in _REPLY_TYPES or isinstance(reply, RedisError)
                if not is_valid or not self._waiting:
                    self._refuse(reply)
                    return
                self._deliver(reply)
        except hiredis.ProtocolError as exc:
            self.close(InvalidResponse(f"the server's reply is not valid: {exc}"))

    def _refuse(self, reply: Any) -> None:
        """Close the connection, since this is nobody's reply: all that follow would go to wrong callers."""
        if isinstance(reply, RedisError):  # so a server refuses a connection, before it is asked anything
            self.close(RedisConnectionError(f"the server says: {reply}"))
        else:  # such as a push of RESP3
            self.close(InvalidResponse("the server's reply is not valid: nobody asked for it"))

    def _deliver(self, reply: Any) -> None:
        waiting = self._waiting[0]
        if type(waiting) is _Batch:
            waiting.replies.append(reply)
            if len(waiting.replies) < waiting.size:
                return
            self._waiting.popleft()
            if not waiting.future.done():
                waiting.future.set_result(waiting.replies)
            return
        self._waiting.popleft()
        future = cast("asyncio.Future[Any]", waiting)
        if future.done():  # its caller was cancelled
            return
        if isinstance(reply, Exception):
            future.set_exception(reply)
        else:
            future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self.is_open = False
        self._fail(RedisConnectionError(f"the connection was lost: {exc}" if exc else "the server closed it"))

    def _fail(self, reason: RedisError) -> None:
        self._reason = self._reason or reason
        if not self._closed.done():
            self._closed.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._waiting = self._waiting, deque()
        self._unsent.clear()
        for item in waiting:
            future = item.future if isinstance(item, _Batch) else item
            if not future.done():
                future.set_exception(copy_of(reason))
                future.exception()  # no news if the caller has given up
