"""The client of the store, as every process builds it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final, TypeAlias

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from service.store.client import keys
from service.store.client.queue_pool import connect_queue, sentinel_options
from service.store.servers import (
    Address,
    ConnectionOptions,
    Endpoint,
    Router,
    ServerClient,
    StoreClient,
    parse_address,
)

SOCKET_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 2.0
PING_TIMEOUT_S: Final = 0.5
REPEAT_S: Final = 0.5  # a single server that is away: callers get the error, and say so within a second
FAILOVER_REPEAT_S: Final = 5.0  # other servers take over from one that is away within seconds

# redis-py's annotations say of half of the commands that they return "an awaitable or the value", which no `await`
# accepts. The client is a `Store`, a `StoreClient`, or a `ServerClient`.
RedisClient: TypeAlias = Any


class Store(StoreClient):
    """The client of the store, and arq's Redis beside it, which has no more than the wake-ups."""

    def __init__(self, router: Router, queue_url: str) -> None:
        super().__init__(router)
        self._queue_url = queue_url
        self._queue_pool: ArqRedis | None = None

    @property
    def queue(self) -> ArqRedis:
        """arq's client. It connects when it is first used."""
        if self._queue_pool is None:
            self._queue_pool = connect_queue(self._queue_url)
        return self._queue_pool

    async def owned_partitions(self) -> dict[Endpoint, tuple[ServerClient, frozenset[int]]]:
        """Each server that has partitions, with their numbers. Raises redis' errors if nobody says which there are."""
        servers = await self.servers()
        if not self.router.is_cluster:
            return {server.endpoint: (server, frozenset(keys.PARTITIONS)) for server in servers}
        numbers: dict[Endpoint | None, set[int]] = {}
        for number in keys.PARTITIONS:
            owner = self.router.endpoint_of(keys.of_partition(number, ""))
            numbers.setdefault(owner, set()).add(number)
        return {
            server.endpoint: (server, frozenset(numbers[server.endpoint]))
            for server in servers
            if server.endpoint in numbers
        }

    async def servers_away(self) -> list[Endpoint]:
        """The servers that do not answer. Raises redis' errors if nobody says which there are."""
        servers = await self.servers()
        answers = await asyncio.gather(*(_answers(server) for server in servers))
        return [server.endpoint for server, answer in zip(servers, answers, strict=True) if not answer]

    async def follow(self, url: str) -> None:
        """Use the store at this address, which has the data now. arq's Redis stays where it is. Raises ValueError."""
        await self.router.follow(**_router_arguments(url))
        self._is_cluster = self.router.is_cluster

    async def aclose(self) -> None:
        """Close all connections."""
        await super().aclose()
        if self._queue_pool is not None:
            await self._queue_pool.aclose()


async def _answers(server: ServerClient) -> bool:
    try:
        async with asyncio.timeout(PING_TIMEOUT_S):
            await server.execute_command("PING")
    except (RedisError, OSError):  # a timeout is an OSError
        return False
    return True


def connect(
    url: str,
    *,
    queue_url: str = "",
    timeout_s: float = SOCKET_TIMEOUT_S,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    patience_s: float | None = None,
) -> Store:
    """A client for the address of REDIS_URL. Connects lazily. Replies are bytes. Raises ValueError for a bad address.

    TLS checks the server's certificate and its name. A server that owes a reply for `timeout_s` is disconnected. Commands
    are repeated for `patience_s`, so every script must bear to run twice. arq's Redis is at `queue_url`, by default the
    same server. A client belongs to the event loop and the process that use it first. After `aclose` it raises
    ConnectionError.
    """
    arguments = _router_arguments(url, timeout_s, connect_timeout_s, patience_s)
    return Store(Router(**arguments), queue_url or url)


def _router_arguments(
    url: str,
    timeout_s: float = SOCKET_TIMEOUT_S,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    patience_s: float | None = None,
) -> dict[str, Any]:
    address = parse_address(url)
    if patience_s is None:
        patience_s = REPEAT_S if address.kind == "single" else FAILOVER_REPEAT_S
    return {
        "address": address,
        "options": partial(_options, address, timeout_s, connect_timeout_s),
        "sentinel_options": partial(sentinel_options, address),
        "patience_s": patience_s,
    }


def _options(address: Address, timeout_s: float, connect_timeout_s: float) -> ConnectionOptions:
    return ConnectionOptions(
        timeout_s, connect_timeout_s, address.credentials, address.db, address.tls_context()
    )
