"""Erased data leaves the disk: the append-only file keeps deleted values until the server rewrites it.

What erases data notes the time in `erased_ms` of the shop's partition. A rewrite that began later has dropped the data. Every
server of the store rewrites its file: replicas have one of their own, and a server of a cluster keeps what it had of a slot
that has left it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis.exceptions import RedisError, ResponseError

from service.store.client import RedisClient, Store, keys, load_erased_ms, server_time_ms
from service.store.servers import Endpoint, Member, is_temporary
from service.store.topology.members import load_members

STATE: Final = keys.of_partition(0, "aof_rewrite")
LOCK: Final = keys.of_partition(0, "aof_rewrite_lock")
MIN_INTERVAL_MS: Final = (
    12 * 3_600_000
)  # a rewrite costs disk and memory; an erasure leaves the disk within a day
TIMEOUT_S: Final = 600.0
POLL_INTERVAL_S: Final = 0.5
CATCH_UP_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class RewriteState:
    """When data was last erased, and the servers whose files may still have it. Times are ms; 0 = never."""

    erased_ms: int
    waiting: tuple[str, ...] = ()  # servers whose file was not rewritten yet
    refused: tuple[str, ...] = ()  # those of them that do not allow it
    away: tuple[str, ...] = ()  # those of them that do not answer


async def load_rewrite_state(redis: Store) -> RewriteState:
    """Of which servers the files may still have erased data. Raises redis' errors if no server answers."""
    erased_ms = await load_erased_ms(redis)
    if not erased_ms:
        return RewriteState(0)
    members = await load_members(redis)
    try:
        known = await redis.hgetall(STATE)
    except RedisError as exc:
        if not is_temporary(exc):
            raise
        return RewriteState(erased_ms)  # the server that knows it is away, which is a finding of its own
    waiting = [each.endpoint for each in members if _rewritten_ms(known, each.endpoint) <= erased_ms]
    answers = await asyncio.gather(*(_answers(redis, endpoint) for endpoint in waiting))
    return RewriteState(
        erased_ms,
        tuple(map(str, waiting)),
        tuple(str(each) for each in waiting if _field(each, "refused") in known),
        tuple(str(each) for each, answer in zip(waiting, answers, strict=True) if not answer),
    )


async def rewrite_after_erasure(redis: Store, *, min_interval_ms: int = MIN_INTERVAL_MS) -> bool:
    """Rewrite the append-only files of all servers after data was erased. Returns whether one was rewritten.

    One process does it, each server at most every twelve hours, and waits for the end. A rewrite that fails is repeated by
    the next call, as is that of a server that is away. A server that does not allow it is noted in the state, for
    `tagger doctor`.
    """
    erased_ms = await load_erased_ms(redis)
    if not erased_ms:
        return False
    now_ms = await server_time_ms(redis)
    known = await redis.hgetall(STATE)
    due = [
        each
        for each in await load_members(redis)
        if (rewritten_ms := _rewritten_ms(known, each.endpoint)) <= erased_ms
        and now_ms - rewritten_ms >= min_interval_ms
    ]
    if not due or not await redis.set(LOCK, "1", nx=True, ex=int(TIMEOUT_S) + 60):
        return False
    try:
        outcomes = await asyncio.gather(*(_rewrite(redis, member, started_ms=now_ms) for member in due))
    finally:
        await redis.delete(LOCK)
    return any(outcomes)


async def _rewrite(redis: Store, member: Member, *, started_ms: int) -> bool:
    endpoint = member.endpoint
    try:
        async with redis.server_at(endpoint) as server:
            if member.primary is not None:
                async with redis.server_at(member.primary) as primary:
                    await _catch_up(server, primary)
            refusal = await _rewrite_file(server)
    except (RedisError, TimeoutError) as exc:
        if isinstance(exc, RedisError) and not is_temporary(exc):
            refusal = str(exc)[:200] or type(exc).__name__
        else:
            structlog.get_logger().warning("housekeeping", outcome="server_away", server=str(endpoint))
            return False
    if refusal is None:
        return False
    async with redis.pipeline() as pipe:
        if refusal:
            pipe.hset(STATE, _field(endpoint, "refused").decode(), refusal)
        else:
            pipe.hset(STATE, _field(endpoint, "rewritten_ms").decode(), str(started_ms))
            pipe.hdel(STATE, _field(endpoint, "refused").decode())
        await pipe.execute()
    return not refusal


async def _rewrite_file(server: RedisClient) -> str | None:
    """Rewrite the file, and wait for the end: "" if it was, or why the server does not allow it; None: try again later."""
    info: dict[str, Any] = await server.info(section="persistence")
    if not info.get("aof_enabled"):
        return ""
    if _is_running(info):  # it may have begun before the erasure
        return None
    try:
        await server.bgrewriteaof()
    except ResponseError as exc:
        return str(exc)[:200]
    async with asyncio.timeout(TIMEOUT_S):
        while _is_running(info := await server.info(section="persistence")):  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(POLL_INTERVAL_S)
    return "" if info.get("aof_last_bgrewrite_status") == "ok" else None


async def _catch_up(replica: RedisClient, primary: RedisClient) -> None:
    """Wait until the replica has what its primary has now: it may not have deleted the data yet. Raises TimeoutError."""
    wanted = (await primary.info("replication"))["master_repl_offset"]
    async with asyncio.timeout(CATCH_UP_S):
        while (await replica.info("replication")).get("slave_repl_offset", wanted) < wanted:  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(POLL_INTERVAL_S)


async def _answers(redis: Store, endpoint: Endpoint) -> bool:
    try:
        async with redis.server_at(endpoint) as server:
            await server.ping()
    except RedisError:
        return False
    return True


def _rewritten_ms(known: dict[bytes, bytes], endpoint: Endpoint) -> int:
    """-1: never, which is before an erasure at any time."""
    return int(known.get(_field(endpoint, "rewritten_ms"), -1))


def _field(endpoint: Endpoint, name: str) -> bytes:
    return f"{name} {endpoint}".encode()


def _is_running(info: dict[str, Any]) -> bool:
    return bool(info.get("aof_rewrite_in_progress") or info.get("aof_rewrite_scheduled"))
