"""The state of every server of the store, and whether somebody must do something."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from redis.exceptions import RedisError, ResponseError

from service.store.client import (
    Durability,
    Layout,
    RedisClient,
    ServerCheck,
    Store,
    away,
    evaluate_config,
    evaluate_layout,
    evaluate_server,
    keys,
    load_layout,
    load_server,
    memory_used,
)
from service.store.servers import SLOTS, Endpoint, Member
from service.store.topology.members import load_members

# Besides those that refuse webhooks: somebody is needed now.
URGENT_CHECKS: Final = frozenset(
    ["nearly_full", "no_replica", "server_away", "replica_away", "replica_behind", "uncovered_slots"]
)

Role = Literal["primary", "replica"]
Link = Literal["", "up", "syncing", "down"]


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server. Without an answer only the first four fields are known."""

    address: str
    role: Role
    is_away: bool
    slots: int = 0  # of a cluster, that a primary owns
    shops: int = 0  # of a primary
    primary: str = ""  # whose replica it is
    version: str = ""
    used_bytes: int = 0
    limit_bytes: int = 0  # maxmemory; 0: none
    append_only: str = ""  # no, always, everysec, no fsync; ?: the server does not say
    replicas: int = 0  # that are connected, of a primary
    link: Link = ""  # of a replica to its primary
    lag_bytes: int = 0  # what a replica does not have yet
    checks: tuple[ServerCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """The store."""

    kind: str  # single, sentinel or cluster
    durability: Durability
    servers: tuple[ServerStatus, ...]
    checks: tuple[ServerCheck, ...]  # of all servers, and of the store itself

    @property
    def away(self) -> int:
        """How many servers do not answer."""
        return sum(server.is_away for server in self.servers)

    @property
    def needs_somebody(self) -> bool:
        """Whether webhooks are refused, or a server is away."""
        return any(check.level == "refused" or check.name in URGENT_CHECKS for check in self.checks)


async def load_status(redis: Store, durability: Durability) -> StoreStatus:
    """The state of every server. Raises redis' errors if nobody says which servers there are."""
    members = await load_members(redis)
    shops = await _count_shops(redis)
    servers = await asyncio.gather(*(_load(redis, member, durability, shops) for member in members))
    offsets = {server.address: offset for server, offset in servers}
    statuses = [_with_lag(server, offset, offsets) for server, offset in servers]
    checks = [check for server in statuses for check in server.checks]
    checks += evaluate_layout(await _load_layout(redis))
    uncovered = SLOTS - sum(member.slots for member in members) if redis.router.is_cluster else 0
    if uncovered:
        checks.append(
            ServerCheck(
                "refused",
                "uncovered_slots",
                f"{uncovered} slots of the cluster have no server. Their shops wait.",
            )
        )
    return StoreStatus(redis.router.address.kind, durability, tuple(statuses), tuple(checks))


async def _load(
    redis: Store, member: Member, durability: Durability, shops: Mapping[Endpoint, int]
) -> tuple[ServerStatus, int]:
    """The state of one server, and its replication offset."""
    address = str(member.endpoint)
    role: Role = "primary" if member.primary is None else "replica"
    try:
        async with redis.server_at(member.endpoint) as server, server.pipeline(transaction=False) as pipe:
            load_server(pipe)
            info, config = await pipe.execute(raise_on_error=False)
        if isinstance(info, Exception):
            raise info
    except RedisError:
        check = (
            away(address)
            if role == "primary"
            else ServerCheck(
                "warning", "replica_away", "The replica does not answer. Its primary has no second copy."
            ).at(address)
        )
        return ServerStatus(
            address, role, True, member.slots, shops.get(member.endpoint, 0), checks=(check,)
        ), 0
    is_cluster = redis.router.is_cluster
    settings = (
        {} if isinstance(config, ResponseError) else {_text(name): _text(config[name]) for name in config}
    )
    link = _link(info)
    if role == "primary":
        checks = evaluate_server(info, config, durability, is_cluster=is_cluster)
    else:
        checks = evaluate_config(settings, "fsync" if durability == "replica" else durability)
        if link != "up":
            checks.append(
                ServerCheck(
                    "warning",
                    "replica_behind",
                    "The replica is not connected to its primary, or still copies it.",
                )
            )
    used, limit = memory_used(info)
    return ServerStatus(
        address,
        role,
        False,
        member.slots,
        shops.get(member.endpoint, 0),
        str(member.primary or ""),
        f"Valkey {info['valkey_version']}"
        if "valkey_version" in info
        else f"Redis {info.get('redis_version', '?')}",
        used,
        limit,
        _append_only(info, settings),
        int(info.get("connected_slaves", 0)) if role == "primary" else 0,
        link,
        0,
        tuple(check.at(address) for check in checks),
    ), int(info.get("slave_repl_offset" if role == "replica" else "master_repl_offset", 0))


def _with_lag(server: ServerStatus, offset: int, offsets: Mapping[str, int]) -> ServerStatus:
    if server.link != "up" or server.primary not in offsets:
        return server
    return replace(server, lag_bytes=max(0, offsets[server.primary] - offset))


def _link(info: Mapping[str, Any]) -> Link:
    if info.get("role") != "slave":
        return ""
    if int(info.get("master_sync_in_progress", 0)):
        return "syncing"
    return "up" if info.get("master_link_status") == "up" else "down"


def _append_only(info: Mapping[str, Any], settings: Mapping[str, str]) -> str:
    if not int(info.get("aof_enabled", 0)):
        return "no"
    fsync = settings.get("appendfsync", "?")
    return "no fsync" if fsync == "no" else fsync


async def _count_shops(redis: Store) -> dict[Endpoint, int]:
    """The shops on each primary that answers."""
    counts: dict[Endpoint, int] = {}
    for endpoint, (server, partitions) in (await redis.owned_partitions()).items():
        try:
            counts[endpoint] = await _count_at(server, partitions)
        except RedisError:
            continue
    return counts


async def _count_at(server: RedisClient, partitions: frozenset[int]) -> int:
    async with server.pipeline(transaction=False) as pipe:
        for partition in partitions:
            pipe.scard(keys.of_partition(partition, "shops"))
        return sum(await pipe.execute())


async def _load_layout(redis: Store) -> Layout:
    try:
        return await load_layout(redis)
    except RedisError:  # a server that is away is a check of its own
        return Layout(keys.LAYOUT, 0)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
