"""Durability checks: whether the Redis server keeps acknowledged webhooks, and has room for more.

The store monitor, the start-up check and the doctor use them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from redis.exceptions import RedisError, ResponseError

from service.errors import InvalidSettings
from service.sentence import Sentence
from service.store.client import keys
from service.store.client.connection import RedisClient
from service.store.client.scan import load_partitions

CONFIG_NAMES: Final = (
    "appendonly",
    "appendfsync",
    "aof-load-truncated",
    "cluster-node-timeout",
    "cluster-require-full-coverage",
    "maxmemory",
    "maxmemory-policy",
    "min-replicas-to-write",
    "no-appendfsync-on-rewrite",
    "save",
)
MAX_USED: Final = 0.9  # of maxmemory: the rest is for settlements, pauses and removals
MAX_NODE_TIMEOUT_MS: Final = (
    5_000  # Haravan waits 5 s for an answer, and a failover takes longer than this timeout
)

# What a 200 promises: `fsync`, the webhook is on the server's disk; `replica`, it is on that disk and a replica has it;
# `everysec`, the server has it.
Durability = Literal["fsync", "everysec", "replica"]
Level = Literal["refused", "warning", "note"]


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """One fact about the server that a person should know. `refused` stops the start."""

    level: Level
    name: str
    text: str
    server: str = ""  # its address, if there are several

    def at(self, endpoint: object) -> ServerCheck:
        """The same of one of several servers."""
        return replace(self, text=f"{endpoint}: {self.text}", server=str(endpoint))


async def check_server(redis: RedisClient, durability: Durability) -> list[ServerCheck]:
    """Load the settings and state of each server and the layout of the data, and check them.

    Raises redis' errors if no server answers. With several servers each text about one begins with its address.
    """
    checks = await _check_servers(redis, durability)
    with suppress(RedisError):  # a server that refuses to read is unfit for a reason that the checks have
        checks += evaluate_layout(await load_layout(redis))
    return checks


async def _check_servers(redis: RedisClient, durability: Durability) -> list[ServerCheck]:
    servers = await redis.servers()
    if len(servers) == 1:
        return await _check_server(servers[0], durability, is_cluster=redis.router.is_cluster)
    results = await asyncio.gather(
        *(_check_server(server, durability, is_cluster=True) for server in servers), return_exceptions=True
    )
    checks: list[ServerCheck] = []
    errors: list[BaseException] = []
    for server, result in zip(servers, results, strict=True):
        if isinstance(result, BaseException):
            errors.append(result)
            checks.append(away(server.endpoint))
        else:
            checks += [check.at(server.endpoint) for check in result]
    if len(errors) == len(servers):
        raise errors[0]
    return checks


def away(endpoint: object) -> ServerCheck:
    """A server of a cluster does not answer."""
    return ServerCheck(
        "warning",
        "server_away",
        "The server does not answer. Webhooks of its shops are answered 503, and their customers wait, until it "
        "answers or a replica replaces it. See RUNBOOK, A server of the cluster is away.",
    ).at(endpoint)


async def _check_server(redis: RedisClient, durability: Durability, *, is_cluster: bool) -> list[ServerCheck]:
    async with redis.pipeline(transaction=False) as pipe:
        load_server(pipe)
        info, config = await pipe.execute(raise_on_error=False)
    return evaluate_server(info, config, durability, is_cluster=is_cluster)


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of the data, and the one that a migration is about to reach (0 = no migration); and moves to other stores."""

    number: int
    migrating: int
    has_left: bool = False  # the data is being moved to another store, or was moved
    is_arriving: bool = False  # a move to this store is not complete


async def load_layout(redis: RedisClient) -> Layout:
    """The layout of the data. Data without one, which is new, has that of this program from now on. Raises redis' errors."""
    with suppress(RedisError):  # a full store refuses it, and must be read all the same
        await redis.hsetnx(keys.STORE, "layout", keys.LAYOUT)
    replies = await load_partitions(redis, queue_layout)
    return decode_layout(list(replies.values()))


def queue_layout(pipe: Any, partition: int) -> None:
    """Add the command to a pipeline whose replies `decode_layout` takes. In a cluster each partition has its own."""
    pipe.hmget(keys.of_partition(partition, "store"), "layout", "migrating", "moved_to", "arriving")


def decode_layout(replies: Sequence[Sequence[bytes | None]]) -> Layout:
    """The layout from the replies of `queue_layout`. A migration that was interrupted leaves several; the oldest counts."""
    layouts, migrating, moved_to, arriving = zip(*replies, strict=True)
    numbers = [int(number) for number in layouts if number is not None] or [keys.LAYOUT]
    newest, oldest = max(numbers), min(numbers)
    return Layout(
        newest if newest > keys.LAYOUT else oldest,
        max(int(each or 0) for each in migrating),
        has_left=any(moved_to),
        is_arriving=any(arriving),
    )


def evaluate_layout(layout: Layout) -> list[ServerCheck]:
    """Whether this program may work with the data."""
    if layout.is_arriving:
        text = "A move of the data to this store is not complete. Wait for its end, or run `tagger store move` again."
        return [ServerCheck("refused", "arriving", text)]
    if layout.has_left:
        text = (
            "The data of this store is being moved, or was moved to another store. This process follows when the move is "
            "complete. Then set REDIS_URL to the new store. If the move was interrupted: tagger store move"
        )
        return [ServerCheck("refused", "moved", text)]
    if layout.number > keys.LAYOUT:
        text = (
            f"The data has layout {layout.number}: a newer version of this program has migrated it. This version knows "
            f"layout {keys.LAYOUT}, and would damage it. Use the newer version."
        )
        return [ServerCheck("refused", "layout_newer", text)]
    if layout.migrating or layout.number < keys.LAYOUT:
        text = (
            f"The data has layout {layout.number}, and this version needs layout {keys.LAYOUT}. Make a backup, and run: "
            "tagger migrate"
        )
        return [ServerCheck("refused", "layout_older", text)]
    return []


def load_server(pipe: Any) -> None:
    """Add the two commands to a pipeline whose replies `evaluate_server` checks. Execute it without raising errors."""
    pipe.info()
    pipe.config_get(*CONFIG_NAMES)


def evaluate_server(
    info: Any, config: Any, durability: Durability, *, is_cluster: bool = False
) -> list[ServerCheck]:
    """Check the replies of a server. Raises the error that it gave instead of INFO."""
    if isinstance(info, Exception):
        raise info
    if isinstance(config, Exception):
        if not isinstance(config, ResponseError):
            raise config
        config = {}  # a managed Redis has no CONFIG, or does not let us use it
    settings = {_text(name): _text(value) for name, value in config.items()}
    return [
        *evaluate_info(info, durability, is_cluster=is_cluster),
        *evaluate_config(settings, durability, is_cluster=is_cluster),
    ]


def evaluate_info(
    info: Mapping[str, Any], durability: Durability = "fsync", *, is_cluster: bool = False
) -> list[ServerCheck]:
    """Check the state of a server: its role, its replicas, and how full it is."""
    checks: list[ServerCheck] = []
    if int(info.get("cluster_enabled", 0)) and not is_cluster:
        checks.append(
            ServerCheck(
                "refused",
                "cluster_node",
                "REDIS_URL is one node of a cluster, which refuses every key of the other nodes. Write "
                "redis+cluster:// for a cluster.",
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
    if durability == "replica" and info.get("role") == "master" and not int(info.get("connected_slaves", 0)):
        checks.append(
            ServerCheck(
                "warning",
                "no_replica",
                "DURABILITY=replica promises that a replica has each webhook before its 200, and no replica is connected: "
                "webhooks are answered 503 until there is one. Connect a replica, or opt out with DURABILITY=fsync.",
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
    """The memory that counts for maxmemory, and maxmemory, in bytes. 0: there is no limit."""
    used = int(info.get("used_memory", 0)) - int(info.get("mem_not_counted_for_evict", 0))
    return max(0, used), int(info.get("maxmemory", 0))


async def load_memory_used(redis: RedisClient) -> tuple[int, int]:
    """What `memory_used` says of the server, in a cluster of the fullest one. Raises redis' errors if none answers."""
    replies = await asyncio.gather(
        *(server.info(section="memory") for server in await redis.servers()), return_exceptions=True
    )
    found = [memory_used(reply) for reply in replies if not isinstance(reply, BaseException)]
    for error in replies:
        if isinstance(error, BaseException) and not found:
            raise error
    return max(found, key=lambda memory: memory[0] / memory[1] if memory[1] else 0)


def evaluate_config(
    config: Mapping[str, str] | None, durability: Durability, *, is_cluster: bool = False
) -> list[ServerCheck]:
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
    return [
        *_disk(config, durability),
        *_memory(config),
        *(_replication(config) if durability == "replica" else ()),
        *(_cluster(config) if is_cluster else ()),
    ]


def require_durable(checks: list[ServerCheck]) -> None:
    """Raises InvalidSettings with every check that stops the start."""
    texts = [check.text for check in checks if check.level == "refused"]
    if texts:
        raise InvalidSettings(Sentence("The Redis server cannot be used:"), problems=texts)


def _disk(config: Mapping[str, str], durability: Durability) -> list[ServerCheck]:
    appends = config.get("appendonly") == "yes"
    fsync = config.get("appendfsync", "")
    checks: list[ServerCheck] = []
    if durability != "everysec" and not (appends and fsync == "always"):
        checks.append(
            ServerCheck(
                "refused",
                "not_durable",
                f"DURABILITY={durability} promises that a webhook is on disk before its 200, and needs `appendonly yes` "
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
    if durability != "everysec" and config.get("no-appendfsync-on-rewrite") == "yes":
        checks.append(
            ServerCheck(
                "refused",
                "no_fsync_on_rewrite",
                "`no-appendfsync-on-rewrite yes` stops syncing to disk while the append-only file is rewritten, and a "
                "crash in that time may lose acknowledged webhooks. Set it to no, or opt out with DURABILITY=everysec.",
            )
        )
    if durability != "everysec" and appends and config.get("aof-load-truncated") == "yes":
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


def _replication(config: Mapping[str, str]) -> list[ServerCheck]:
    if int(config.get("min-replicas-to-write", "0") or 0):
        return []
    return [
        ServerCheck(
            "warning",
            "writes_without_replica",
            "`min-replicas-to-write 0` lets a primary that lost its replicas go on with writes which a failover then loses: "
            "ownership of tags, rules, settings. Acknowledged webhooks are safe. Set `min-replicas-to-write 1`.",
        )
    ]


def _cluster(config: Mapping[str, str]) -> list[ServerCheck]:
    checks: list[ServerCheck] = []
    if config.get("cluster-require-full-coverage") == "yes":
        checks.append(
            ServerCheck(
                "warning",
                "full_coverage_required",
                "`cluster-require-full-coverage yes` stops all shops when one shard is away. Set it to no, so that only the "
                "shops of that shard wait.",
            )
        )
    timeout_ms = int(config.get("cluster-node-timeout", "0") or 0)
    if timeout_ms > MAX_NODE_TIMEOUT_MS:
        checks.append(
            ServerCheck(
                "warning",
                "slow_failover",
                f"`cluster-node-timeout {timeout_ms}` keeps the shops of a dead primary waiting longer than Haravan waits for an "
                f"answer. Set it to {MAX_NODE_TIMEOUT_MS} or less; 1500 is tested.",
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
