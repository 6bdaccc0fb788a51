"""What all servers of a store have together, for tests that look behind its client."""

from __future__ import annotations

from collections import Counter

from service.store.client import RedisClient
from service.store.topology import load_members


async def all_keys(redis: RedisClient, pattern: str = "*") -> list[bytes]:
    """The keys of all servers that match."""
    return [key for server in await redis.servers() for key in await server.keys(pattern)]


async def set_config(redis: RedisClient, name: str, value: object) -> None:
    """Change a setting of every server, also of replicas."""
    for member in await load_members(redis):
        async with redis.server_at(member.endpoint) as server:
            await server.config_set(name, value)


async def count_calls(redis: RedisClient) -> Counter[str]:
    """How often each command was called since the statistics were reset, on all servers."""
    calls: Counter[str] = Counter()
    for server in await redis.servers():
        stats = await server.info("commandstats")
        calls.update({name.removeprefix("cmdstat_"): int(stat["calls"]) for name, stat in stats.items()})
    return calls


async def reset_statistics(redis: RedisClient) -> None:
    """Begin to count calls again, on every server."""
    for server in await redis.servers():
        await server.config_resetstat()


async def pause_clients(redis: RedisClient, milliseconds: int) -> None:
    """Let every server answer nobody for a while."""
    for server in await redis.servers():
        await server.client_pause(milliseconds)
