"""Answers to requests that changed something, kept for a day, so that a repeated request gets the same answer.

A reader of Redis learns nothing from them: names are digests, and the answers are sealed by the caller.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from service.store.client import SERVICE, RedisClient, keys

RETENTION_MS: Final = 86_400_000
IN_PROGRESS_MS: Final = 900_000  # longer than any request takes; then its process has died
MAX_ANSWERS: Final = 1_000  # of one owner; the oldest are forgotten


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a request. `sealed` is empty while it is in progress."""

    fingerprint: bytes
    sealed: bytes = b""


async def begin(
    redis: RedisClient, owner: str, digest: str, fingerprint: bytes, *, now_ms: int
) -> Answer | None:
    """Begin a request. None: it is the first with this digest. Otherwise what is kept of the first one."""
    key = _key(owner, digest)

    async def attempt(pipe: Any) -> Answer | None:
        stored = await pipe.get(key)
        if stored is not None:
            return _DECODE(stored)
        pipe.multi()
        pipe.set(key, _ENCODE(Answer(fingerprint)), px=IN_PROGRESS_MS)
        return None

    earlier: Answer | None = await redis.transact([key], attempt)
    if earlier is None:
        await _add(redis, owner, digest, now_ms=now_ms)
    return earlier


async def complete(redis: RedisClient, owner: str, digest: str, answer: Answer, *, now_ms: int) -> None:
    """Keep the answer of a request for a day."""
    await redis.set(_key(owner, digest), _ENCODE(answer), px=RETENTION_MS)
    await _add(redis, owner, digest, now_ms=now_ms)


async def forget(redis: RedisClient, owner: str, digest: str) -> None:
    """Forget a request that has no final answer: it may be sent again."""
    async with redis.pipeline() as pipe:
        pipe.delete(_key(owner, digest))
        pipe.zrem(_index(owner), digest)
        await pipe.execute()


async def _add(redis: RedisClient, owner: str, digest: str, *, now_ms: int) -> None:
    """Add a request to the index of its owner, and forget the oldest beyond the limit."""
    index = _index(owner)
    async with redis.pipeline() as pipe:
        pipe.zadd(index, {digest: now_ms})
        pipe.zremrangebyscore(index, "-inf", now_ms - RETENTION_MS)
        pipe.pexpire(index, RETENTION_MS)
        pipe.zrange(index, 0, -MAX_ANSWERS - 1)
        *_, oldest = await pipe.execute()
    for each in oldest:
        await forget(redis, owner, each.decode())


def _key(owner: str, digest: str) -> str:
    return keys.shop(SERVICE, f"answer:{owner}:{digest}")


def _index(owner: str) -> str:
    return keys.shop(SERVICE, f"answers:{owner}")


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(Answer).decode
