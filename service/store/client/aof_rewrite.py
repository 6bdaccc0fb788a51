"""Erased data leaves the disk: the append-only file keeps deleted values until the server rewrites it.

What erases data notes the time in `erased_ms` of the shop's partition. A rewrite of its server that began later has dropped
the data. Each server keeps the state of its rewrites in the first partition that it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis.exceptions import RedisError, ResponseError

from service.domain.customers import OrgId
from service.store.client import keys
from service.store.client.connection import RedisClient, Store
from service.store.servers import is_temporary

ERASED: Final = "erased_ms"
STATE: Final = "aof_rewrite"
LOCK: Final = "aof_rewrite_lock"
MIN_INTERVAL_MS: Final = (
    12 * 3_600_000
)  # a rewrite costs disk and memory; an erasure leaves the disk within a day
TIMEOUT_S: Final = 600.0
POLL_INTERVAL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class RewriteState:
    """When data was last erased, and when the last complete rewrite began. 0 = never."""

    erased_ms: int
    rewritten_ms: int
    refused: str = ""  # the server's answer, if it does not allow a rewrite

    @property
    def is_pending(self) -> bool:
        """Whether the append-only file may still have erased data."""
        return self.erased_ms > 0 and self.erased_ms >= self.rewritten_ms


def queue_erased(pipe: Any, org: OrgId, now_ms: int) -> None:
    """Add the command to a transaction that asks for a rewrite."""
    pipe.set(keys.partition_key(org, ERASED), now_ms)


async def load_rewrite_state(redis: Store) -> RewriteState:
    """When data was erased, and when all append-only files were rewritten; without servers that are away."""
    states: list[RewriteState] = []
    errors: list[RedisError] = []
    for server, partitions in (await redis.owned_partitions()).values():
        try:
            states.append((await _load_state(server, partitions))[0])
        except RedisError as exc:
            errors.append(exc)
    if not states:
        raise errors[0]
    pending = [state for state in states if state.is_pending]
    return max(pending or states, key=lambda state: (bool(state.refused), state.erased_ms))


async def rewrite_after_erasure(redis: Store, *, min_interval_ms: int = MIN_INTERVAL_MS) -> bool:
    """Rewrite the append-only files of the servers on which data was erased. Returns whether one was rewritten.

    One process does it, each server at most every twelve hours, and waits for the end. A rewrite that fails is repeated by
    the next call, as is that of a server that is away. A server that does not allow it is noted in the state, for
    `tagger doctor`.
    """
    owned = await redis.owned_partitions()
    outcomes = [False]
    for endpoint, (server, partitions) in owned.items():
        try:
            outcomes.append(await _rewrite_server(server, partitions, min_interval_ms=min_interval_ms))
        except RedisError as exc:
            if len(owned) == 1 or not is_temporary(exc):
                raise
            structlog.get_logger().warning("housekeeping", outcome="server_away", server=str(endpoint))
    return any(outcomes)


async def _load_state(redis: RedisClient, partitions: Collection[int]) -> tuple[RewriteState, int]:
    """The state of one server, and its time in ms."""
    async with redis.pipeline(transaction=False) as pipe:
        for partition in partitions:
            pipe.get(keys.of_partition(partition, ERASED))
        pipe.hmget(_key(partitions, STATE), "rewritten_ms", "refused")
        pipe.time()
        *erased, (rewritten, refused), (seconds, micros) = await pipe.execute()
    state = RewriteState(
        max(int(value or 0) for value in erased), int(rewritten or 0), (refused or b"").decode()
    )
    return state, int(seconds) * 1000 + int(micros) // 1000


async def _rewrite_server(redis: RedisClient, partitions: Collection[int], *, min_interval_ms: int) -> bool:
    state, now_ms = await _load_state(redis, partitions)
    if not state.is_pending or now_ms - state.rewritten_ms < min_interval_ms:
        return False
    lock = _key(partitions, LOCK)
    if not await redis.set(lock, "1", nx=True, ex=int(TIMEOUT_S) + 60):
        return False
    try:
        return await _rewrite(redis, _key(partitions, STATE), started_ms=now_ms)
    finally:
        await redis.delete(lock)


def _key(partitions: Collection[int], name: str) -> str:
    return keys.of_partition(min(partitions), name)


async def _rewrite(redis: RedisClient, state: str, *, started_ms: int) -> bool:
    info: dict[str, Any] = await redis.info(section="persistence")
    if info.get("aof_enabled"):
        if _is_running(info):  # it may have begun before the erasure
            return False
        try:
            await redis.bgrewriteaof()
        except ResponseError as exc:
            await redis.hset(state, "refused", str(exc)[:200])
            return False
        async with asyncio.timeout(TIMEOUT_S):
            while _is_running(info := await redis.info(section="persistence")):  # noqa: ASYNC110  # the server tells nobody
                await asyncio.sleep(POLL_INTERVAL_S)
        if info.get("aof_last_bgrewrite_status") != "ok":
            return False
    async with redis.pipeline() as pipe:
        pipe.hset(state, "rewritten_ms", started_ms)
        pipe.hdel(state, "refused")
        await pipe.execute()
    return True


def _is_running(info: dict[str, Any]) -> bool:
    return bool(info.get("aof_rewrite_in_progress") or info.get("aof_rewrite_scheduled"))
