"""Child processes: they stop in order, and none is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from deploy.local.supervisor import ProcessSpec, stop_signals, supervise
from deploy.local.wait import until

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def output_of(log: Path) -> str:
    return log.read_text() if log.is_file() else ""


def state_of(pid: int) -> str:
    """R, S, Z …: a zombie is as good as gone."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.read_text().rpartition(")")[2].split()[0] if stat.exists() else "gone"


async def has_printed(log: Path, word: str) -> bool:
    async def there() -> bool:
        return word in output_of(log)

    return await until(there, within_s=60)


async def test_leaving_the_block_stops_every_process(tmp_path: Path) -> None:
    async with supervise() as running:
        pids = [
            await running.start(ProcessSpec(name, SLEEPER, log=tmp_path / name)) for name in ("one", "two")
        ]
        assert all(map(lives, pids))

    assert not any(map(lives, pids))


async def test_an_error_inside_the_block_stops_them_too() -> None:
    pids: list[int] = []

    async def breaks() -> None:
        async with supervise() as running:
            pids.append(await running.start(ProcessSpec("one", SLEEPER)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await breaks()

    assert not lives(*pids)


async def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    async with supervise(grace_s=0.1) as running:
        pid = await running.start(ProcessSpec("one", STUBBORN, log=tmp_path / "log"))
        assert await has_printed(tmp_path / "log", "up")

    assert not lives(pid)


async def test_the_server_stops_last(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def tells(name: str) -> list[str]:
        program = f"""
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print('end {name}', flush=True), sys.exit()))
print('up {name}', flush=True)
time.sleep(600)
"""
        return [sys.executable, "-c", program]

    async with supervise() as running:
        await running.start(ProcessSpec("store", tells("store"), log=log), stop_last=True)
        await running.start(ProcessSpec("web", tells("web"), log=log))
        assert await has_printed(log, "up web")
        assert await has_printed(log, "up store")

    assert log.read_text().split("\n")[-3:-1] == ["end web", "end store"]


async def test_a_process_that_exits_by_itself_is_reported_with_its_code() -> None:
    async with supervise() as running:
        await running.start(ProcessSpec("long", SLEEPER))
        await running.start(ProcessSpec("short", [sys.executable, "-c", "raise SystemExit(7)"]))

        ended = await asyncio.wait_for(running.wait_for_exit(), 60)

    assert (ended.spec.name, ended.code) == ("short", 7)


async def test_a_stop_signal_sets_the_event_instead_of_killing_the_process() -> None:
    with stop_signals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)

        await asyncio.wait_for(stop.wait(), 60)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
async def test_processes_stop_when_their_parent_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import asyncio\n"
        "from pathlib import Path\n"
        "from deploy.local.supervisor import ProcessSpec, supervise\n"
        "async def main():\n"
        "    async with supervise() as running:\n"
        f"        part = ProcessSpec('one', {SLEEPER!r}, log=Path({str(tmp_path / 'log')!r}))\n"
        "        print(await running.start(part), flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n",
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())

    parent.kill()
    await parent.wait()

    async def is_gone() -> bool:
        return state_of(child) in ("gone", "Z")

    assert await until(is_gone, within_s=60)
