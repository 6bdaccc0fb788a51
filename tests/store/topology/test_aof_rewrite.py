"""Erased data leaves the append-only file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.domain.customers.customer import OrgId
from service.store.client import RedisClient, queue_erased
from service.store.client.connection import connect
from service.store.topology.aof_rewrite import LOCK, STATE, load_rewrite_state, rewrite_after_erasure
from tests.support.valkey import valkey

ORG = OrgId("1000000001")
CANARY = b"canary-in-the-file"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
async def durable(folder: Path) -> AsyncIterator[RedisClient]:
    with valkey(folder, fsync="always") as url:
        client = connect(url, timeout_s=60)
        yield client
        await client.aclose()


def on_disk(folder: Path) -> bool:
    return any(CANARY in path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def erase(redis: RedisClient) -> None:
    """Delete the canary and note the erasure."""
    seconds, micros = await redis.time()
    async with redis.pipeline() as pipe:
        pipe.delete("value")
        queue_erased(pipe, ORG, seconds * 1000 + micros // 1000)
        await pipe.execute()


async def test_an_erased_value_is_in_the_file_until_the_rewrite(durable: RedisClient, folder: Path) -> None:
    await durable.set("value", CANARY)
    await erase(durable)
    assert on_disk(folder)
    assert (await load_rewrite_state(durable)).waiting

    assert await rewrite_after_erasure(durable)

    assert not on_disk(folder)
    assert not (await load_rewrite_state(durable)).waiting


async def test_without_an_erasure_nothing_is_rewritten(durable: RedisClient) -> None:
    assert not await rewrite_after_erasure(durable)


async def test_a_second_rewrite_waits_for_its_time(durable: RedisClient) -> None:
    await erase(durable)
    assert await rewrite_after_erasure(durable)
    await erase(durable)

    assert not await rewrite_after_erasure(durable)
    assert await rewrite_after_erasure(durable, min_interval_ms=0)


async def test_one_process_rewrites(durable: RedisClient) -> None:
    await erase(durable)
    await durable.set(LOCK, "1")

    assert not await rewrite_after_erasure(durable)


async def test_a_server_that_does_not_allow_it_is_remembered_with_its_answer(durable: RedisClient) -> None:
    await erase(durable)
    await durable.execute_command("ACL", "SETUSER", "default", "-bgrewriteaof")

    assert not await rewrite_after_erasure(durable)

    state = await load_rewrite_state(durable)
    assert state.waiting
    assert state.refused == state.waiting


@pytest.mark.one_server
async def test_a_server_without_the_file_has_nothing_to_rewrite(redis: RedisClient) -> None:
    await erase(redis)

    assert await rewrite_after_erasure(redis)
    assert await redis.hlen(STATE) == 1
