"""Durability checks: whether the Redis server keeps acknowledged webhooks, and has room for more.

The store monitor, the start-up check and the doctor use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from redis.exceptions import ResponseError

from service.errors import InvalidSettings
from service.store.client.connection import RedisClient

CONFIG_NAMES: Final = (
    "appendonly",
    "appendfsync",
    "aof-load-truncated",
    "maxmemory",
    "maxmemory-policy",
    "no-appendfsync-on-rewrite",
    "save",
)
MAX_USED: Final = 0.9  # of maxmemory: the rest is for settlements, pauses and removals
Durability = Literal["fsync", "everysec"]
Level = Literal["refused", "warning", "note"]


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """One fact about the server that a person should know. `refused` stops the start."""

    level: Level
    name: str
    text: str


async def check_server(redis: RedisClient, durability: Durability) -> list[ServerCheck]:
    """Load the server's settings and state, and check them. Raises redis' errors if the server does not answer."""
    async with redis.pipeline(transaction=False) as pipe:
        load_server(pipe)
        info, config = await pipe.execute(raise_on_error=False)
    return evaluate_server(info, config, durability)


def load_server(pipe: Any) -> None:
    """Add the two commands to a pipeline whose replies `evaluate_server` checks. Execute it without raising errors."""
    pipe.info()
    pipe.config_get(*CONFIG_NAMES)


def evaluate_server(info: Any, config: Any, durability: Durability) -> list[ServerCheck]:
    """Check the replies of a server. Raises the error that it gave instead of INFO."""
    if isinstance(info, Exception):
        raise info
    if isinstance(config, Exception):
        if not isinstance(config, ResponseError):
            raise config
        config = {}  # a managed Redis has no CONFIG, or does not let us use it
    settings = {_text(name): _text(value) for name, value in config.items()}
    return [*evaluate_info(info), *evaluate_config(settings, durability)]


def evaluate_info(info: Mapping[str, Any]) -> list[ServerCheck]:
    """Check the state of a server: its role, and how full it is."""
    checks: list[ServerCheck] = []
    if int(info.get("cluster_enabled", 0)):
        checks.append(
            ServerCheck(
                "refused",
                "cluster_node",
                "REDIS_URL is one node of a cluster, which refuses every key of the other nodes. Use a single server, or "
                "Sentinel (redis+sentinel://).",
            )
        )
    if info.get("role") == "slave":
        checks.append(
            ServerCheck(
                "refused",
                "replica",
                "The server is a replica, which accepts no writes. Point REDIS_URL to the primary, or use "
                "redis+sentinel://, which follows it.",
            )
        )
    used, limit = memory_used(info)
    if limit and used >= MAX_USED * limit:
        checks.append(
            ServerCheck(
                "warning",
                "nearly_full",
                f"The server uses {used / limit:.0%} of its maxmemory. From {MAX_USED:.0%} on webhooks are answered 503, "
                "so that the customers that wait can be processed and shops can be removed. See RUNBOOK, The store fills.",
            )
        )
    return checks


def memory_used(info: Mapping[str, Any]) -> tuple[int, int]:
    """The memory that counts for maxmemory, and maxmemory, in bytes. Without a limit both are 0."""
    limit = int(info.get("maxmemory", 0))
    used = int(info.get("used_memory", 0)) - int(info.get("mem_not_counted_for_evict", 0))
    return (max(0, used), limit) if limit else (0, 0)


def evaluate_config(config: Mapping[str, str] | None, durability: Durability) -> list[ServerCheck]:
    """Check settings against the promise that an acknowledged webhook is not lost. None: the server hides them."""
    if not config:
        return [
            ServerCheck(
                "note",
                "config_hidden",
                "The server hides its settings, so only its provider can promise that an acknowledged webhook "
                "survives a crash. Ask the provider for appendfsync always and maxmemory-policy noeviction.",
            )
        ]
    return [*_disk(config, durability), *_memory(config)]


def require_durable(checks: list[ServerCheck]) -> None:
    """Raises InvalidSettings with every check that stops the start."""
    texts = [check.text for check in checks if check.level == "refused"]
    if texts:
        raise InvalidSettings(
            "The Redis server is not durable enough:\n" + "\n".join(f"  - {text}" for text in texts)
        )


def _disk(config: Mapping[str, str], durability: Durability) -> list[ServerCheck]:
    appends = config.get("appendonly") == "yes"
    fsync = config.get("appendfsync", "")
    checks: list[ServerCheck] = []
    if durability == "fsync" and not (appends and fsync == "always"):
        checks.append(
            ServerCheck(
                "refused",
                "not_durable",
                f"DURABILITY=fsync promises that a webhook is on disk before its 200, and needs `appendonly yes` "
                f"and `appendfsync always`; this server has `appendonly {config.get('appendonly', '?')}` and "
                f"`appendfsync {fsync or '?'}`. Change the server (deploy/redis.conf), or opt out with "
                "DURABILITY=everysec: then a crash of the server may lose acknowledged webhooks, usually of the last "
                "second, more if the disk is slow.",
            )
        )
    if durability == "everysec" and not appends:
        lost = (
            "everything since its last snapshot"
            if config.get("save")
            else "everything: it writes nothing to disk"
        )
        checks.append(
            ServerCheck(
                "warning",
                "no_append_only_file",
                f"The server has no append-only file. A restart loses {lost}, also the ownership of tags. "
                "Set `appendonly yes`.",
            )
        )
    if durability == "fsync" and config.get("no-appendfsync-on-rewrite") == "yes":
        checks.append(
            ServerCheck(
                "refused",
                "no_fsync_on_rewrite",
                "`no-appendfsync-on-rewrite yes` stops syncing to disk while the append-only file is rewritten, and a "
                "crash in that time may lose acknowledged webhooks. Set it to no, or opt out with DURABILITY=everysec.",
            )
        )
    if durability == "fsync" and appends and config.get("aof-load-truncated") == "yes":
        checks.append(
            ServerCheck(
                "warning",
                "cuts_torn_log",
                "`aof-load-truncated yes` lets the server cut an append-only file that ends in the middle of a "
                "transaction after a kill (seen with Valkey 8.1.8). The second start after that drops acknowledged "
                "webhooks. Set it to no, and run deploy/repair-aof before each start (RUNBOOK, A store of your own).",
            )
        )
    return checks


def _memory(config: Mapping[str, str]) -> list[ServerCheck]:
    policy = config.get("maxmemory-policy", "noeviction")
    if policy == "noeviction":
        return []
    limit = config.get("maxmemory", "0")
    level: Level = "refused" if limit not in ("", "0") else "warning"
    return [
        ServerCheck(
            level,
            "evicts",
            f"`maxmemory-policy {policy}` lets the server evict marks and ownership when memory is short, and it "
            "reports no error. Set `maxmemory-policy noeviction`.",
        )
    ]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
