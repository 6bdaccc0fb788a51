"""The bundled server: durable, found again after a restart, stopped with its parent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from redis.asyncio import Redis

from deploy.local import valkey
from deploy.local.paths import lock_folder
from deploy.local.supervisor import supervise
from service.errors import Refused, StoreUnavailable


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    for expected in (None, b"1"):
        async with supervise() as running, valkey.start_server(running, tmp_path / "data") as own:
            redis = Redis.from_url(own.url)
            assert await redis.get("seen") == expected
            await redis.set("seen", "1")
            await redis.aclose()


async def test_it_writes_before_it_acknowledges_and_evicts_nothing(tmp_path: Path) -> None:
    async with supervise() as running, valkey.start_server(running, tmp_path) as own:
        redis = Redis.from_url(own.url, decode_responses=True)
        settings = await redis.config_get("append*", "maxmemory-policy", "port")
        await redis.aclose()

    assert settings["appendfsync"] == "always"
    assert settings["appendonly"] == "yes"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["port"] == "0"
    assert own.version.startswith(("Valkey ", "Redis "))


async def test_a_damaged_append_only_file_is_reported_immediately_and_not_changed(tmp_path: Path) -> None:
    async with supervise() as running, valkey.start_server(running, tmp_path) as own:
        redis = Redis.from_url(own.url)
        await redis.set("seen", "1" * 100)
        await redis.aclose()
    log = next((tmp_path / "appendonlydir").glob("*.incr.aof"))
    damaged = log.read_bytes().replace(b"seen", b"\0\0\0\0\0")
    log.write_bytes(damaged)

    async with supervise() as running:
        with pytest.raises(StoreUnavailable, match=r"exited at its start.*store\.log"):
            async with valkey.start_server(running, tmp_path):
                pass

    assert log.read_bytes() == damaged


async def test_a_path_that_is_too_long_for_a_socket_works(tmp_path: Path) -> None:
    folder = tmp_path / ("a-rather-long-name-" * 6)

    async with supervise() as running, valkey.start_server(running, folder) as own:
        assert await valkey.wait_until_ready(own.url) == own.version
        assert (folder / "appendonlydir").is_dir()


async def test_a_server_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="did not answer"):
        await valkey.wait_until_ready(f"unix://{tmp_path}/none.sock", within_s=0.1)


def test_one_folder_is_for_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        lock_folder(tmp_path / "data"),
        pytest.raises(Refused, match="another process"),
        lock_folder(tmp_path / "data"),
    ):
        pass

    with lock_folder(tmp_path / "data"):  # free again
        pass


async def test_only_this_user_can_read_what_the_server_creates(tmp_path: Path) -> None:
    folder = tmp_path / "up" / "store"
    before = os.umask(0o022)
    try:
        async with supervise() as running, valkey.start_server(running, folder) as own:
            redis = Redis.from_url(own.url)
            await redis.set("seen", "1")
            await redis.aclose()
            created = [tmp_path / "up", folder, *folder.rglob("*")]
            open_to_others = [path.name for path in created if path.stat().st_mode & 0o077]
    finally:
        os.umask(before)

    assert any(path.suffix == ".aof" for path in created)
    assert open_to_others == []
