"""Erased data leaves the disk: the append-only file keeps deleted values until the server rewrites it.

What erases data notes the time in `erased_ms` of the shop's partition. A rewrite that began later has dropped the data.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import ResponseError

from service.domain.customers import OrgId
from service.store.client import keys
from service.store.client.clock import server_time_ms
from service.store.client.connection import RedisClient

ERASED: Final = "erased_ms"
STATE: Final = keys.of_partition(0, "aof_rewrite")
LOCK: Final = keys.of_partition(0, "aof_rewrite_lock")
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


async def load_rewrite_state(redis: RedisClient) -> RewriteState:
    """When data was erased, and when the append-only file was rewritten."""
    async with redis.pipeline(transaction=False) as pipe:
        for key in keys.of_partitions(ERASED):
            pipe.get(key)
        pipe.hmget(STATE, "rewritten_ms", "refused")
        *erased, (rewritten, refused) = await pipe.execute()
    return RewriteState(
        max(int(value or 0) for value in erased), int(rewritten or 0), (refused or b"").decode()
    )


async def rewrite_after_erasure(redis: RedisClient, *, min_interval_ms: int = MIN_INTERVAL_MS) -> bool:
    """Rewrite the append-only file if data was erased since the last rewrite. Returns whether it was rewritten.

    One process does it, at most every twelve hours, and waits for the end. A rewrite that fails is repeated by the next
    call. A server that does not allow it is noted in the state, for `tagger doctor`.
    """
    state, now_ms = await load_rewrite_state(redis), await server_time_ms(redis)
    if not state.is_pending or now_ms - state.rewritten_ms < min_interval_ms:
        return False
    if not await redis.set(LOCK, "1", nx=True, ex=int(TIMEOUT_S) + 60):
        return False
    try:
        return await _rewrite(redis, started_ms=now_ms)
    finally:
        await redis.delete(LOCK)


async def _rewrite(redis: RedisClient, *, started_ms: int) -> bool:
    info: dict[str, Any] = await redis.info(section="persistence")
    if info.get("aof_enabled"):
        if _is_running(info):  # it may have begun before the erasure
            return False
        try:
            await redis.bgrewriteaof()
        except ResponseError as exc:
            await redis.hset(STATE, "refused", str(exc)[:200])
            return False
        async with asyncio.timeout(TIMEOUT_S):
            while _is_running(info := await redis.info(section="persistence")):  # noqa: ASYNC110  # the server tells nobody
                await asyncio.sleep(POLL_INTERVAL_S)
        if info.get("aof_last_bgrewrite_status") != "ok":
            return False
    async with redis.pipeline() as pipe:
        pipe.hset(STATE, "rewritten_ms", started_ms)
        pipe.hdel(STATE, "refused")
        await pipe.execute()
    return True


def _is_running(info: dict[str, Any]) -> bool:
    return bool(info.get("aof_rewrite_in_progress") or info.get("aof_rewrite_scheduled"))
