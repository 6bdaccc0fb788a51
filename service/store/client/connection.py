"""The connection to Redis, with the timeouts and retries that arq's own settings lack."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
from arq.connections import ArqRedis
from redis.asyncio.connection import AbstractConnection, BlockingConnectionPool, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.store.client import keys
from service.store.client.sentinel import EpochAwareSentinel

SOCKET_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 2.0
DRAIN_QUEUE: Final = "tagger:queue:drain"
TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
EXPIRES_EXTRA_MS: Final = 7 * keys.DAY_S * 1000  # arq drops a job that waits longer than this

# redis-py's asynchronous client. Its annotations say of half of the commands that they return "an awaitable or the
# value", which no `await` accepts. Functions that enqueue a job take an `ArqRedis`.
RedisClient: TypeAlias = Any

serialize = msgspec.msgpack.Encoder().encode  # not pickle: anybody who can write to Redis could run code here
deserialize = msgspec.msgpack.Decoder().decode


def connect(
    url: str, *, timeout_s: float = SOCKET_TIMEOUT_S, retries: int = 3, connections: int = 64
) -> ArqRedis:
    """A client for `redis://`, `rediss://`, `unix://` or `redis+sentinel://host,host/service/db`. Connects lazily.

    `rediss` and `rediss+sentinel` check the server's certificate and its name. The query of the address may name the
    files `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile`.
    Replies are bytes. Commands are repeated after connection errors, so every script must bear to run twice.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "health_check_interval": 15,
        "retry": Retry(ExponentialBackoff(cap=0.5, base=0.05), retries),
        "retry_on_error": [RedisConnectionError, RedisTimeoutError],
    }
    parts = urlsplit(url)
    if parts.scheme != "unix":
        options["socket_keepalive"] = True
    if parts.scheme.endswith("+sentinel"):
        return _arq(_sentinel_pool(url, options))
    if parts.scheme == "rediss":
        options["ssl_check_hostname"] = True  # off by default, which would accept any valid certificate
    return _arq(
        BlockingConnectionPool.from_url(url, max_connections=connections, timeout=timeout_s, **options)
    )


def _arq(pool: ConnectionPool) -> ArqRedis:
    pool.connection_class = _repaired(pool.connection_class)
    client = ArqRedis(
        pool_or_conn=pool,
        job_serializer=serialize,
        job_deserializer=deserialize,
        default_queue_name=DRAIN_QUEUE,
        expires_extra_ms=EXPIRES_EXTRA_MS,
    )
    client.auto_close_connection_pool = True  # redis-py leaves a pool open that was passed in
    return client


def _repaired(connection_class: type[AbstractConnection]) -> type[AbstractConnection]:
    """The same class of connection, without two faults of redis-py 5.3.

    uvloop raises RuntimeError when a closed connection is written to. redis-py does not translate it, so code that
    handles an unreachable server would not handle this.

    The first command of a new connection is preceded by a PING. If the server refuses it (NOAUTH, LOADING), redis-py
    connects again within the attempt to connect, which sends the next PING, deeper and deeper, and does not return.
    """

    class Connection(connection_class):  # type: ignore[valid-type]
        is_connecting = False

        async def on_connect(self) -> None:
            self.is_connecting = True
            try:
                await super().on_connect()
            finally:
                self.is_connecting = False

        async def check_health(self) -> None:
            if not self.is_connecting:
                await super().check_health()

        async def _send_packed_command(self, command: Iterable[bytes]) -> None:
            try:
                await super()._send_packed_command(command)
            except RuntimeError as exc:
                raise ConnectionResetError("the connection was closed") from exc

    return Connection


def _sentinel_pool(url: str, options: dict[str, Any]) -> ConnectionPool:
    """A pool that follows the primary. arq's own ignores retries, timeouts and TLS files.

    With `rediss+sentinel://` the sentinels are spoken to with TLS, too. Otherwise anybody between could name a primary.
    """
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    hosts = [_host(item) for item in parts.netloc.rpartition("@")[2].split(",")]
    service, _, db = parts.path.strip("/").partition("/")
    password = unquote(parts.password) if parts.password else None
    tls: dict[str, Any] = {}
    if parts.scheme == "rediss+sentinel":
        files: dict[str, Any] = {name: query[name] for name in TLS_FILES if name in query}
        tls = {"ssl": True, "ssl_check_hostname": True, **files}
    sentinel: Any = EpochAwareSentinel(  # type: ignore[no-untyped-call]
        hosts,
        sentinel_kwargs={
            "username": query.get("sentinel_username"),
            "password": query.get("sentinel_password"),
            "socket_timeout": CONNECT_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            **tls,
        },
        username=unquote(parts.username) if parts.username else None,
        password=password,
        db=int(db or 0),
        **options,
        **tls,
    )
    for client in sentinel.sentinels:  # a sentinel may close its connection, too
        sentinels = client.connection_pool
        sentinels.connection_class = _repaired(sentinels.connection_class)
    pool: ConnectionPool = sentinel.master_for(service or "mymaster").connection_pool
    return pool


def _host(item: str) -> tuple[str, int]:
    host, _, port = item.partition(":")
    return host, int(port or 26379)
