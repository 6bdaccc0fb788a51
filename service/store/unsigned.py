"""Webhooks that were refused: counted by the minute, and for each shop those in a row, of all processes together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from service.domain.customers import OrgId
from service.store import keys
from service.store.script import script


async def count(redis: Redis, counts: Mapping[tuple[int, str, str], int]) -> None:
    """Add to the minutes' counts: (minute, org or `-`, reason) -> how many."""
    client: Any = redis
    async with client.pipeline(transaction=False) as pipe:
        for (minute, org, reason), number in counts.items():
            pipe.hincrby(keys.unsigned(minute), f"{org}:{reason}", number)
            pipe.expire(keys.unsigned(minute), keys.DAY_S)
        await pipe.execute()


async def in_a_row(redis: Redis, org: OrgId, *, by: str, ages_ms: Sequence[int], most: int) -> int:
    """Note refusals of a shop that we have; how many there are since its last webhook that was taken, at most `most`.

    `by` is another one for each call of each process. The row is one small key for each shop, forgotten after a day.
    """
    noted = await script(redis, "unsigned")(keys=[keys.shop(org)], args=[by, most, keys.DAY_S, *ages_ms])
    return int(noted)
