"""Durability checks: whether the Redis server keeps acknowledged webhooks. Read at start, by /readyz and by the doctor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from redis.exceptions import NoPermissionError, ResponseError

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
Durability = Literal["fsync", "everysec"]
Level = Literal["refused", "warning", "note"]


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """One fact about the server that a person should know. `refused` stops the start."""

    level: Level
    name: str
    text: str


async def check_server(redis: RedisClient, durability: Durability) -> list[ServerCheck]:
    """Load the server's settings and check them. Raises redis' errors if the server does not answer."""
    try:
        config: Mapping[Any, Any] = await redis.config_get(*CONFIG_NAMES)
    except (NoPermissionError, ResponseError):  # a managed Redis has no CONFIG, or does not let us use it
        return evaluate_config(None, durability)
    return evaluate_config({_text(name): _text(value) for name, value in config.items()}, durability)


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
        checks.append(
            ServerCheck(
                "warning",
                "no_append_only_file",
                "The server has no append-only file: a restart loses everything since its last snapshot, "
                "also the ownership of tags. Set `appendonly yes`.",
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
