"""`tagger store`: the state of the servers, and a move to another store with its words and exit codes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from redis import Redis

from service.domain.customers import OrgId
from service.store.client import connect, keys
from service.store.encryption import KeyRing
from service.store.shops import Shop, ShopRepository
from tests.deploy.cli.environment import ORG, CommandResult, run_in_process
from tests.support import canaries
from tests.support.processes import ROOT
from tests.support.valkey import ValkeyServer

GUIDE: Final = ROOT / "deploy/docs/how-to/grow-the-store.md"
EXECUTED: Final = re.compile(r"^<!-- executed -->\n```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Servers(NamedTuple):
    """The store, another one, and arq's Redis."""

    old: ValkeyServer
    new: ValkeyServer
    queue: ValkeyServer


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    started = []
    for name in Servers._fields:
        (tmp_path / name).mkdir()
        server = ValkeyServer(tmp_path / name, fsync="always", aof_load_truncated="no")
        server.start()
        started.append(server)
    servers = Servers(*started)
    monkeypatch.setenv("REDIS_URL", servers.old.url)
    monkeypatch.setenv("QUEUE_URL", servers.queue.url)
    monkeypatch.setenv("SECRET_KEY", canaries.SECRET_KEY)
    asyncio.run(add_shop(servers.old.url))
    yield servers
    for server in servers:
        server.kill()


async def add_shop(url: str) -> None:
    async with connect(url, timeout_s=60) as redis:
        shops = ShopRepository(redis, KeyRing((canaries.SECRET_KEY,)))
        await shops.add(Shop(OrgId(ORG), "Hoa", "omni", "http://127.0.0.1:1/com", "of-no-shop-000000"))


def tagger(*words: str) -> CommandResult:
    return run_in_process([*words, "--lang", "en"], "")


def test_a_server_that_is_in_order_exits_with_0(servers: Servers) -> None:
    result = tagger("store", "status")

    assert result.code == 0
    assert "Everything is in order." in result.out


def test_a_server_that_does_not_keep_what_is_promised_exits_with_1(servers: Servers) -> None:
    with Redis.from_url(servers.old.url) as redis:
        redis.config_set("appendfsync", "everysec")

    result = tagger("store", "status", "--json")

    status = json.loads(result.out)
    assert result.code == 1
    assert status["needs_somebody"]
    assert [check["name"] for check in status["checks"]] == ["not_durable"]


def test_a_dry_run_changes_nothing(servers: Servers) -> None:
    result = tagger("store", "move", "--to", servers.new.url, "--dry-run")

    assert result.code == 0
    assert "Nothing was changed." in result.out
    assert "Shops: 1" in result.err


def test_after_a_move_every_command_works_with_the_new_store(servers: Servers) -> None:
    moved = tagger("store", "move", "--to", servers.new.url, "--yes")

    assert moved.code == 0, moved.err
    assert "Now set REDIS_URL" in moved.out
    with Redis.from_url(servers.new.url) as redis:
        assert redis.hget(keys.shop(ORG, "shop"), "name") == b"Hoa"
    assert tagger("store", "status").code == 0
    again = tagger("store", "move", "--to", servers.new.url, "--yes")
    assert (again.code, "already" in again.out) == (0, True)
    assert tagger("store", "move", "--to", servers.new.url, "--cancel").code == 1


def test_a_move_without_a_queue_beside_the_store_is_refused(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUE_URL", servers.old.url)

    result = tagger("store", "move", "--to", servers.new.url, "--yes")

    assert result.code == 1
    assert "QUEUE_URL must be a Redis server beside the store" in result.err


@pytest.mark.parametrize("words", [(), ("--to", "http://127.0.0.1")])
def test_an_address_is_needed(words: tuple[str, ...]) -> None:
    assert tagger("store", "move", *words).code == 2


def test_the_commands_of_the_guide_move_the_data(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = EXECUTED.findall(GUIDE.read_text(encoding="utf-8"))
    (tmp_path / "backup.key").write_text("0123456789abcdef" * 4, encoding="ascii")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEW_REDIS_URL", servers.new.url)
    for line in before.splitlines():
        result = tagger(*line.split()[1:])
        assert result.code == 0, (line, result.err)

    monkeypatch.setenv("REDIS_URL", servers.new.url)
    servers.old.kill()
    codes = {line: tagger(*line.split()[1:]).code for line in after.splitlines()}

    assert codes == {"tagger store status": 0, "tagger doctor": 1}  # no worker runs here
