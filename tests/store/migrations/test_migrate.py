"""Migrations, with one that is made up: there is none yet."""

from __future__ import annotations

import asyncio

import pytest

from service.errors import Refused
from service.store.client import RedisClient, StoreMonitor, StoreUnfit, check_server, keys, load_layout
from service.store.history import audit_log
from service.store.migrations import MIGRATIONS, Migration, migrate, plan_migrations
from tests.support.actors import LAN


async def count(redis: RedisClient) -> int:
    return int(await redis.llen("made-up"))


async def double(redis: RedisClient) -> None:
    for index, value in enumerate(await redis.lrange("made-up", 0, -1)):
        await redis.lset("made-up", index, f"v2:{value.decode().removeprefix('v2:')}")


NEXT = Migration(keys.LAYOUT + 1, "a prefix for made-up values", count, double)


async def settled(_: float) -> None:
    """No process runs that would have to notice."""


@pytest.fixture
async def old_data(redis: RedisClient) -> None:
    await load_layout(redis)  # new data has the layout of the program
    await redis.rpush("made-up", "a", "b")


def test_the_last_migration_reaches_the_layout_of_the_program() -> None:
    assert [each.to for each in MIGRATIONS] == list(range(2, keys.LAYOUT + 1))


async def test_today_there_is_nothing_to_migrate(redis: RedisClient) -> None:
    assert await migrate(redis, by=LAN, settle=settled) == []
    assert await audit_log.list_entries(redis) == []


@pytest.mark.usefixtures("old_data")
async def test_a_plan_counts_and_changes_nothing(redis: RedisClient) -> None:
    [step] = await plan_migrations(redis, [NEXT])

    assert (step.migration.what, step.values) == ("a prefix for made-up values", 2)
    assert await redis.lrange("made-up", 0, -1) == [b"a", b"b"]
    assert (await load_layout(redis)).number == keys.LAYOUT


@pytest.mark.usefixtures("old_data")
async def test_a_migration_changes_values_and_layout_and_is_recorded(redis: RedisClient) -> None:
    await migrate(redis, by=LAN, migrations=[NEXT], settle=settled)

    assert await redis.lrange("made-up", 0, -1) == [b"v2:a", b"v2:b"]
    assert (await load_layout(redis)).number == keys.LAYOUT + 1
    assert [row.entry.action for row in await audit_log.list_entries(redis)] == ["migrate"]
    assert await migrate(redis, by=LAN, migrations=[NEXT], settle=settled) == []


@pytest.mark.usefixtures("old_data")
async def test_no_process_works_with_the_data_meanwhile_nor_an_older_one_afterwards(
    redis: RedisClient,
) -> None:
    monitor = StoreMonitor(redis, "everysec", on_change=lambda _: asyncio.sleep(0))
    await monitor.check()
    assert monitor.is_fit
    reasons: list[str] = []

    async def check_meanwhile(_: float) -> None:
        with pytest.raises(StoreUnfit, match="tagger migrate"):
            await monitor.check()
        reasons.extend(check.name for check in await check_server(redis, "everysec"))

    await migrate(redis, by=LAN, migrations=[NEXT], settle=check_meanwhile)

    assert "layout_older" in reasons
    with pytest.raises(StoreUnfit, match="Use the newer version"):
        await monitor.check()
    with pytest.raises(Refused, match="use the newer version"):
        await plan_migrations(redis)


@pytest.mark.usefixtures("old_data")
async def test_an_interrupted_migration_is_run_again(redis: RedisClient) -> None:
    async def half(client: RedisClient) -> None:
        await client.lset("made-up", 0, "v2:a")
        raise OSError("the process died")

    with pytest.raises(OSError, match="died"):
        await migrate(redis, by=LAN, migrations=[NEXT._replace(apply=half)], settle=settled)
    assert (await load_layout(redis)).migrating == keys.LAYOUT + 1

    await migrate(redis, by=LAN, migrations=[NEXT], settle=settled)

    assert await redis.lrange("made-up", 0, -1) == [b"v2:a", b"v2:b"]
    assert (await load_layout(redis)).migrating == 0
