"""What is acknowledged after a kill that tore the log is there after the next one too."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.store import ChaosStore

TORN = 45  # bytes: the end of the last transaction, in the middle of a command
TWO = "redis.call('XADD', 's', '{0}-1', 'a', '1') redis.call('XADD', 's', '{0}-2', 'a', '2')"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a socket's may have 107 bytes."""
    made = Path(tempfile.mkdtemp(prefix="chaos-"))
    (made / "logs").mkdir()
    yield made
    shutil.rmtree(made)


async def test_a_torn_transaction_takes_nothing_with_it_that_came_after(folder: Path) -> None:
    store = ChaosStore(folder)
    await store.start()
    for moment in (100, 200):
        await store.redis.eval(TWO.format(moment), 0)
    await store.child.kill()
    log = next((folder / "store" / "appendonlydir").glob("*.incr.aof"))
    os.truncate(log, log.stat().st_size - TORN)

    await store.start()
    await store.redis.xadd("s", {"a": "acknowledged"}, id="150-1")  # as after a step back of the clock
    await store.kill(away_s=0)

    assert [key for key, _ in await store.redis.xrange("s")] == [b"100-1", b"100-2", b"150-1"]
    await store.redis.aclose()
    await store.child.kill()
