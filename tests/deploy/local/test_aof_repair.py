"""repair-aof keeps everything that was acknowledged before a kill, and does not touch other damage."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.aof_repair import repair_aof
from deploy.local.valkey import server_executable
from tests.chaos.store import ChaosStore

pytestmark = pytest.mark.timeout(600)
TWO = "redis.call('XADD', 's', '{0}-1', 'a', '1') redis.call('XADD', 's', '{0}-2', 'a', '2')"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a socket's may have 107 bytes."""
    made = Path(tempfile.mkdtemp(prefix="chaos-"))
    (made / "logs").mkdir()
    yield made
    shutil.rmtree(made)


async def _killed(store: ChaosStore) -> tuple[Path, int, int]:
    """A store that wrote two transactions and was killed: its log, and where the second begins and ends."""
    await store.start()
    await store.redis.eval(TWO.format(100), 0)
    log = next((store.folder / "appendonlydir").glob("*.incr.aof"))
    begin = log.stat().st_size
    await store.redis.eval(TWO.format(200), 0)
    await store.child.kill()
    return log, begin, log.stat().st_size


async def test_writes_after_an_incomplete_transaction_survive(folder: Path) -> None:
    store = ChaosStore(folder)
    log, _, end = await _killed(store)
    os.truncate(log, end - 45)  # in the middle of a command

    await store.start()
    await store.redis.xadd("s", {"a": "acknowledged"}, id="150-1")  # as after a step back of the clock
    await store.kill(away_s=0)

    assert [key for key, _ in await store.redis.xrange("s")] == [b"100-1", b"100-2", b"150-1"]
    await store.redis.aclose()
    await store.child.kill()


async def test_the_file_ends_with_a_complete_transaction_wherever_it_was_cut(folder: Path) -> None:
    store = ChaosStore(folder)
    log, begin, end = await _killed(store)
    whole = log.read_bytes()

    ends: dict[int, set[int]] = {}
    for last in [*range(begin, begin + 24), *range(begin + 24, end - 24, 19), *range(end - 24, end + 1)]:
        log.write_bytes(whole[:last])
        repair_aof(store.folder, server_executable())
        ends.setdefault(log.stat().st_size, set()).add(last)

    assert ends.keys() == {begin, end}
    assert ends[end] == {end}
    await store.redis.aclose()


@pytest.mark.parametrize(
    ("at", "byte"),
    [pytest.param(0, b"\0", id="command"), pytest.param(20, b"x", id="line"), pytest.param(None, b"\0", id="behind")],
)  # fmt: skip
async def test_other_damage_is_not_changed(folder: Path, at: int | None, byte: bytes) -> None:
    store = ChaosStore(folder)
    log, _, end = await _killed(store)
    at = end if at is None else at
    whole = log.read_bytes()
    log.write_bytes(whole[:at] + 40 * byte + whole[at + 40 :])
    damaged = log.read_bytes()

    assert not repair_aof(store.folder, server_executable())
    assert log.read_bytes() == damaged
    await store.redis.aclose()
