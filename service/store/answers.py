"""Answers that take long: whether somebody is at a question, and what came of it until somebody has heard it.

The store knows a question by a name that the same question always has. While `asked` is there, the same question is
not worked on again: somebody is at it, or nobody has heard its answer yet.
"""

from __future__ import annotations

from typing import Any, Final

from redis.asyncio import Redis

from service.domain.customers import OrgId
from service.store import keys

LEASE_S: Final = 30  # renewed while somebody is at it; after a death the question is free again
KEPT_S: Final = 3600
PROMISED: Final = "!"


async def begin(redis: Redis, org: OrgId, name: str, *, what: str) -> bool:
    """Whether the question is ours to work on. `what` it asks is told while it is under way."""
    client: Any = redis
    if not await client.set(_asked(org, name), what, nx=True, ex=LEASE_S):
        return False
    await client.unlink(_answer(org, name))
    return True


async def promise(redis: Redis, org: OrgId, name: str, *, what: str) -> None:
    """Somebody was told where the answer will be."""
    client: Any = redis
    await client.set(_asked(org, name), what + PROMISED, xx=True, keepttl=True)


async def renew(redis: Redis, org: OrgId, name: str) -> None:
    """Somebody is still at it."""
    client: Any = redis
    await client.expire(_asked(org, name), LEASE_S)


async def keep(redis: Redis, org: OrgId, name: str, answer: bytes, *, again: bool = False) -> None:
    """What came of it. With `again` the same question may be worked on again at once."""
    client: Any = redis
    async with client.pipeline() as pipe:
        pipe.set(_answer(org, name), answer, ex=KEPT_S)
        if again:
            pipe.unlink(_asked(org, name))
        else:
            pipe.expire(_asked(org, name), KEPT_S)
        await pipe.execute()


async def look(redis: Redis, org: OrgId, name: str) -> tuple[str | None, bytes | None]:
    """What is asked, None when nobody asks; and what came of it, None before that."""
    client: Any = redis
    what, answer = await client.mget(_asked(org, name), _answer(org, name))
    return (what.decode().removesuffix(PROMISED) if what else None), answer


async def heard(redis: Redis, org: OrgId, name: str) -> None:
    """Whoever asked has the answer: asked again it is worked on again. It stays where it was promised."""
    client: Any = redis
    what = await client.getdel(_asked(org, name))
    if what is not None and not what.endswith(PROMISED.encode()):
        await client.unlink(_answer(org, name))


def _asked(org: OrgId, name: str) -> str:
    return keys.shop(org, f"asked:{name}")


def _answer(org: OrgId, name: str) -> str:
    return keys.shop(org, f"answer:{name}")
