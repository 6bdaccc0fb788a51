"""Which servers a store has: primaries and replicas, also those that are away."""

from __future__ import annotations

from typing import Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from service.store.client import Store
from service.store.servers import Endpoint, Member, Server, parse_members

REPLICAS: Final = 16  # INFO names at most so many


async def load_members(redis: Store) -> list[Member]:
    """Every server of the store. Raises redis' errors if nobody says which there are.

    A cluster and sentinels also know replicas that are away. A single server only knows those that are connected.
    """
    if redis.router.is_cluster:
        return await _cluster_members(redis)
    [primary] = await redis.servers()
    found = {primary.endpoint: Member(primary.endpoint)}
    for sentinel in redis.router.sentinels():
        for endpoint, is_down in await _replicas_by_sentinel(sentinel, redis.router.address.service):
            found.setdefault(endpoint, Member(endpoint, primary.endpoint, is_failed=is_down))
    try:
        info: dict[str, Any] = await primary.info("replication")
    except RedisError:
        info = {}
    for number in range(REPLICAS):
        replica = info.get(f"slave{number}")
        if replica and replica.get("port"):
            endpoint = Endpoint(str(replica["ip"]), int(replica["port"]))
            found.setdefault(endpoint, Member(endpoint, primary.endpoint))
    return list(found.values())


async def _cluster_members(redis: Store) -> list[Member]:
    error: RedisError = RedisConnectionError("no server of the cluster answers")
    for server in await redis.servers():
        try:
            text = (await server.server.ask("CLUSTER", "NODES")).decode()
        except RedisError as exc:
            error = exc
        else:
            return parse_members(text, server.endpoint)
    raise error


async def _replicas_by_sentinel(sentinel: Server, service: str) -> list[tuple[Endpoint, bool]]:
    """The replicas that a sentinel knows, and whether it says that they are down. None if it does not answer."""
    try:
        replies = await sentinel.ask("SENTINEL", "REPLICAS", service)
    except RedisError:
        return []
    found = []
    for fields in replies:
        words = [word.decode() for word in fields]
        report = dict(zip(words[::2], words[1::2], strict=True))
        flags = set(report.get("flags", "").split(","))
        found.append(
            (Endpoint(report["ip"], int(report["port"])), not flags.isdisjoint({"s_down", "o_down"}))
        )
    return found
