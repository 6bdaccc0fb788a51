"""arq's own connections to Redis, with the timeouts and retries that its settings lack. They carry the wake-ups only.

redis-py makes them, because arq builds on it. It cannot use a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from arq.connections import ArqRedis
from redis.asyncio.connection import AbstractConnection, BlockingConnectionPool, ConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.store.client import keys
from service.store.servers import (
    Address,
    ConnectionOptions,
    PrimaryNotFound,
    Server,
    find_primary,
    parse_address,
)

TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 2.0
MAX_CONNECTIONS: Final = 64
RETRIES: Final = 3
DRAIN_QUEUE: Final = "tagger:queue:drain"
EXPIRES_EXTRA_MS: Final = 7 * keys.DAY_S * 1000  # arq drops a job that waits longer than this

serialize = msgspec.msgpack.Encoder().encode  # not pickle: anybody who can write to Redis could run code here
deserialize = msgspec.msgpack.Decoder().decode


def connect_queue(url: str) -> ArqRedis:
    """arq's client for the address of QUEUE_URL. Connects lazily. Raises ValueError for the address of a cluster."""
    address = parse_address(url)
    if address.kind == "cluster":
        raise ValueError("arq cannot use a cluster; set QUEUE_URL to a single server or to Sentinel")
    options: dict[str, Any] = {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "health_check_interval": 15,
        "retry": Retry(ExponentialBackoff(cap=0.5, base=0.05), RETRIES),
        "retry_on_error": [RedisConnectionError, RedisTimeoutError],
        "username": address.credentials.username or None,
        "password": address.credentials.password or None,
        "db": address.db,
    }
    if address.endpoints[0].port:
        options["socket_keepalive"] = True
    pool = _sentinel_pool(address, options) if address.kind == "sentinel" else _pool(url, options)
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


def sentinel_options(address: Address) -> ConnectionOptions:
    """How to connect to the sentinels: with TLS like the servers. Otherwise anybody between could name a primary."""
    return ConnectionOptions(
        CONNECT_TIMEOUT_S,
        CONNECT_TIMEOUT_S,
        address.sentinel_credentials,
        0,
        address.tls_context(),
    )


def _pool(url: str, options: dict[str, Any]) -> ConnectionPool:
    if url.startswith("rediss:"):
        options["ssl_check_hostname"] = True  # off by default, which would accept any valid certificate
    return BlockingConnectionPool.from_url(url, max_connections=MAX_CONNECTIONS, timeout=TIMEOUT_S, **options)


class _SentinelPrimary(Sentinel):
    """redis-py's Sentinel, which finds the primary as the store does. Its own uses the first reply."""

    def __init__(self, address: Address, **options: Any) -> None:
        super().__init__([], **options)  # type: ignore[no-untyped-call]
        self._address = address

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """The primary's address. Raises MasterNotFoundError."""
        options = sentinel_options(self._address)
        sentinels = [Server(endpoint, options) for endpoint in self._address.endpoints]
        try:
            return await find_primary(sentinels, service_name)
        except PrimaryNotFound as exc:
            raise MasterNotFoundError(str(exc)) from exc
        finally:
            for sentinel in sentinels:
                await sentinel.close()


def _sentinel_pool(address: Address, options: dict[str, Any]) -> ConnectionPool:
    tls: dict[str, Any] = {}
    if address.is_tls:
        tls = {"ssl": True, "ssl_check_hostname": True, **dict(address.tls_files)}
    sentinel: Any = _SentinelPrimary(address, **options, **tls)
    pool: ConnectionPool = sentinel.master_for(address.service).connection_pool
    return pool


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
