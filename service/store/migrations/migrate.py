"""Brings data to the layout of this program.

While a migration runs, the data says so, and no process of any version works with it. A migration that was interrupted is
run again, so each must bear to run twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from service.domain.access import Actor
from service.errors import Refused
from service.sentence import Sentence
from service.store.client import RedisClient, keys, load_layout
from service.store.history import audit_log

# Every process checks the store each second. By then all have stopped to work with the data.
SETTLE_S: Final = 5.0


class Migration(NamedTuple):
    """A change of the layout. `count_values` says how many values `apply` would change; `apply` may run twice."""

    to: int  # the layout that it reaches, from the one before
    what: str  # for people
    count_values: Callable[[RedisClient], Awaitable[int]]
    apply: Callable[[RedisClient], Awaitable[None]]


class Step(NamedTuple):
    """A migration that is due, and how many values it would change."""

    migration: Migration
    values: int


MIGRATIONS: Final[tuple[Migration, ...]] = ()  # the last one reaches keys.LAYOUT


async def plan_migrations(redis: RedisClient, migrations: Sequence[Migration] = MIGRATIONS) -> list[Step]:
    """The migrations that are due, in order. Raises Refused if the data is of a newer program."""
    target = _target(migrations)
    stored = await load_layout(redis)
    if stored.number > target:
        raise Refused(
            Sentence(
                "the data has layout {layout}, and this program knows layouts up to {known}: use the newer version",
                layout=stored.number,
                known=target,
            )
        )
    return [Step(each, await each.count_values(redis)) for each in migrations if each.to > stored.number]


async def migrate(
    redis: RedisClient,
    *,
    by: Actor,
    migrations: Sequence[Migration] = MIGRATIONS,
    settle: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> list[Step]:
    """Execute the migrations that are due, and return them. Raises Refused like `plan_migrations`."""
    steps = await plan_migrations(redis, migrations)
    for step in steps:
        to = step.migration.to
        summary = Sentence("layout {layout}, values: {count}", layout=to, count=step.values)
        async with audit_log.recorded(redis, by, "migrate", summary=summary):
            await _write(redis, migrating=to)
            await settle(SETTLE_S)
            await step.migration.apply(redis)
            await _write(redis, layout=to, migrating=0)
    return steps


async def _write(redis: RedisClient, **fields: int) -> None:
    """Store the fields for each partition, because each may be on a server of its own."""
    async with redis.pipeline(transaction=False) as pipe:
        for key in keys.of_partitions("store"):
            pipe.hset(key, mapping=fields)
        await pipe.execute()


def _target(migrations: Sequence[Migration]) -> int:
    return migrations[-1].to if migrations else keys.LAYOUT
