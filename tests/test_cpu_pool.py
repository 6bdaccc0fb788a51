"""The CPU pool starts its processes at the first call, ends idle ones, and reports every failed call."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from service.context import Context
from service.cpu_pool import MAX_CALLS, NICE, CpuPool
from service.errors import EvaluationDied, NotFound, Overloaded
from service.settings import Settings, read_settings

pytestmark = pytest.mark.timeout(600)  # each starts processes
KEY = "0123456789abcdef" * 2


@pytest.fixture
def settings(redis_url: str, queue_url: str) -> Settings:
    return read_settings({"REDIS_URL": redis_url, "QUEUE_URL": queue_url, "SECRET_KEY": KEY})


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[CpuPool]:
    pool = CpuPool(settings, processes=1, idle_s=600)
    yield pool
    await pool.stop()


async def who(context: Context) -> tuple[int, int, bool]:
    """The process that does it, its priority, and whether its store answers."""
    pid = os.getpid()
    return pid, os.getpriority(os.PRIO_PROCESS, pid), bool(await context.redis.ping())


async def added(_: Context, one: int, *, other: int) -> int:
    return one + other


async def refused(_: Context) -> None:
    raise NotFound("there is none")


class Odd(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


async def odd(_: Context) -> None:
    raise Odd("a", "b")


async def bound(_: Context) -> object:
    return structlog.contextvars.get_contextvars().get("request")


async def stands_still(_: Context) -> None:
    await asyncio.sleep(600)


async def gone(*pids: int) -> None:
    """Wait until none of them runs."""
    async with asyncio.timeout(60):
        while any(_runs(pid) for pid in pids):  # noqa: ASYNC110  # a process tells its end by nothing else
            await asyncio.sleep(0.01)


def arguments(pid: int) -> str:
    """What anybody on the machine may read of it."""
    return Path(f"/proc/{pid}/cmdline").read_text()


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def running() -> int:
    """The pool's process, once it is there."""
    async with asyncio.timeout(60):
        while not (found := multiprocessing.active_children()):  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.01)
    return int(found[0].pid or 0)


async def test_calls_run_in_another_process_with_low_priority(pool: CpuPool) -> None:
    structlog.contextvars.bind_contextvars(request="R7")
    first, second = await pool.run(who), await pool.run(who)

    pid, priority, answers = first
    assert (priority, answers) == (NICE, True)
    assert pid != os.getpid()
    assert second[0] == pid
    assert await pool.run(added, 1, other=2) == 3
    assert await pool.run(bound) == "R7"
    assert KEY not in arguments(pid)
    structlog.contextvars.clear_contextvars()


async def test_an_exception_of_the_function_is_raised_in_the_caller(pool: CpuPool) -> None:
    with pytest.raises(NotFound, match="there is none"):
        await pool.run(refused)
    with pytest.raises(RuntimeError, match="Odd: a and b"):
        await pool.run(odd)
    assert await pool.run(added, 1, other=2) == 3


async def test_a_call_whose_process_is_killed_is_refused_and_the_next_one_succeeds(pool: CpuPool) -> None:
    pid, *_ = await pool.run(who)
    asked = asyncio.create_task(pool.run(stands_still))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)

    with pytest.raises(Overloaded):
        await asked

    assert (await pool.run(who))[0] != pid


async def test_idle_processes_end(settings: Settings) -> None:
    pool = CpuPool(settings, idle_s=0)

    first, *_ = await pool.run(who)
    await gone(first)
    second, *_ = await pool.run(who)
    await pool.stop()
    await gone(second)

    assert first != second


async def test_too_many_calls_are_refused_at_once(pool: CpuPool) -> None:
    waiting = [asyncio.create_task(pool.run(stands_still)) for _ in range(MAX_CALLS)]
    await asyncio.sleep(0)

    with pytest.raises(Overloaded):
        await pool.run(who)

    os.kill(await running(), signal.SIGKILL)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in results} == {EvaluationDied}


async def test_a_process_that_does_not_end_is_killed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.cpu_pool.STOP_TIMEOUT_S", 0.05)
    pool = CpuPool(settings)
    asked = asyncio.create_task(pool.run(stands_still))
    pid = await running()

    await pool.stop()

    with pytest.raises(Overloaded):
        await asked
    with pytest.raises(Overloaded):
        await pool.run(who)
    await gone(pid)


async def test_no_process_starts_before_the_first_call(settings: Settings) -> None:
    before = multiprocessing.active_children()

    await CpuPool(settings).stop()

    assert multiprocessing.active_children() == before


PARENT = """
import asyncio, sys
from service.cpu_pool import CpuPool
from service.settings import read_settings
from tests.test_cpu_pool import who

async def main():
    pid, *_ = await CpuPool(read_settings({"REDIS_URL": sys.argv[1], "QUEUE_URL": sys.argv[2]})).run(who)
    print(pid, flush=True)
    await asyncio.sleep(600)

if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_the_process_ends_if_its_parent_is_killed(
    redis_url: str, queue_url: str, tmp_path: Path
) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    root = str(Path(__file__).parents[1])
    parent = subprocess.Popen(  # noqa: ASYNC220, S603
        [sys.executable, str(script), redis_url, queue_url],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert parent.stdout is not None
    child = int(await asyncio.to_thread(parent.stdout.readline))

    parent.kill()
    parent.wait()
    parent.stdout.close()

    await gone(child)
