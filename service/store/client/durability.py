"""Whether the Redis server keeps what it was told: read at boot, by /readyz and by the doctor (pacing.md, On disk)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from service.errors import InvalidSettings
from service.settings import Durability

CONFIG_NAMES: Final = (
    "appendonly",
    "appendfsync",
    "aof-load-truncated",
    "maxmemory",
    "maxmemory-policy",
    "no-appendfsync-on-rewrite",
    "save",
)
Level = Literal["refused", "warning", "note"]


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """One thing about the server that a person should know. `refused` stops the boot."""

    level: Level
    name: str
    text: str


async def check_server(redis: Redis, durability: Durability) -> list[ServerCheck]:
    """Ask the server for its settings and judge them; raises redis' errors when it does not answer."""
    client: Any = redis
    try:
        config: Mapping[Any, Any] = await client.config_get(*CONFIG_NAMES)
    except (NoPermissionError, ResponseError):  # a managed Redis has no CONFIG, or does not let us use it
        return evaluate_config(None, durability)
    return evaluate_config({_text(name): _text(value) for name, value in config.items()}, durability)


def evaluate_config(config: Mapping[str, str] | None, durability: Durability) -> list[ServerCheck]:
    """What these settings mean for the promise that an acknowledged webhook is not lost."""
    if not config:
        return [
            ServerCheck(
                "note",
                "config_hidden",
                "The server does not show its settings: that an acknowledged webhook survives a crash is its "
                "provider's promise, not ours. Ask them for appendfsync always and maxmemory-policy noeviction.",
            )
        ]
    return [*_disk(config, durability), *_memory(config)]


def require_durable(checks: list[ServerCheck]) -> None:
    """Stop the boot where a finding says so; raises BadSettings."""
    texts = [each.text for each in checks if each.level == "refused"]
    if texts:
        raise InvalidSettings("The Redis server will not do:\n" + "\n".join(f"  - {text}" for text in texts))


def _disk(config: Mapping[str, str], durability: Durability) -> list[ServerCheck]:
    appends = config.get("appendonly") == "yes"
    fsync = config.get("appendfsync", "")
    found: list[ServerCheck] = []
    if durability == "fsync" and not (appends and fsync == "always"):
        found.append(
            ServerCheck(
                "refused",
                "not_durable",
                f"DURABILITY=fsync promises that a webhook is on disk before its 200, and needs `appendonly yes` "
                f"and `appendfsync always`; this server has `appendonly {config.get('appendonly', '?')}` and "
                f"`appendfsync {fsync or '?'}`. Change the server (deploy/redis.conf), or opt out with "
                "DURABILITY=everysec: then a crash of the server may lose acknowledged webhooks, usually of the last "
                "second, and of longer where the disk is slow.",
            )
        )
    if durability == "everysec" and not appends:
        found.append(
            ServerCheck(
                "warning",
                "no_append_only_file",
                "The server keeps no append-only file: a restart loses everything since its last snapshot, "
                "ownership of tags included. Set `appendonly yes`.",
            )
        )
    if durability == "fsync" and config.get("no-appendfsync-on-rewrite") == "yes":
        found.append(
            ServerCheck(
                "refused",
                "no_fsync_on_rewrite",
                "`no-appendfsync-on-rewrite yes` stops writing to disk while the append-only file is rewritten: "
                "set it to no, or opt out with DURABILITY=everysec: a crash in that time may lose acknowledged webhooks.",
            )
        )
    if durability == "fsync" and appends and config.get("aof-load-truncated") == "yes":
        found.append(
            ServerCheck(
                "warning",
                "cuts_torn_log",
                "`aof-load-truncated yes` lets the server cut an append-only file that a kill tore in the middle of a "
                "transaction (seen with Valkey 8.1.8): the start after the next then drops acknowledged webhooks. Set it "
                "to no, and run deploy/repair-aof before each start (RUNBOOK, A store of your own).",
            )
        )
    return found


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
            f"`maxmemory-policy {policy}` lets the server throw away marks and ownership when memory is short, "
            "without anybody hearing of it: set `maxmemory-policy noeviction`.",
        )
    ]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
