"""The demo with real processes, from start to end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.wait import until
from tests.ports import free_port

pytestmark = pytest.mark.timeout(600)  # every test starts four processes
ROOT = Path(__file__).parents[3]
LINUX = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for children in /proc")


async def started(*words: str, cwd: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "deploy.cli", "demo", "--port", str(free_port()), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "80"},
        cwd=cwd,
    )


async def read_until(process: asyncio.subprocess.Process, word: str) -> str:
    assert process.stdout is not None
    output = ""
    async with asyncio.timeout(300):
        while word not in output:
            line = await process.stdout.readline()
            assert line, f"the demo ended before it printed {word!r}:\n{output}"
            output += line.decode()
    return output


def children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@LINUX
@pytest.mark.parametrize(
    "how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda signal_: signal_.name
)
async def test_stopping_the_demo_leaves_no_process_behind(tmp_path: Path, how: signal.Signals) -> None:
    demo = await started("--customers", "20", cwd=tmp_path)
    await read_until(demo, "webhooks")
    parts = list(children(demo.pid))

    demo.send_signal(how)
    out, _ = await asyncio.wait_for(demo.communicate(), 200)

    assert len(parts) == 3  # store, web, worker
    assert demo.returncode == 0, out.decode()
    assert not [pid for pid in parts if lives(pid)]
    assert b"Traceback" not in out


@LINUX
async def test_a_demo_that_is_killed_takes_its_processes_with_it(tmp_path: Path) -> None:
    demo = await started("--customers", "20", cwd=tmp_path)
    await read_until(demo, "webhooks")
    parts = list(children(demo.pid))

    demo.kill()
    await demo.wait()

    async def all_gone() -> bool:
        return not any(map(lives, parts))

    assert await until(all_gone, within_s=60)


async def test_a_fixed_day_ends_with_every_tag_right(tmp_path: Path) -> None:
    demo = await started("--once", "--customers", "40", cwd=tmp_path)

    out, _ = await asyncio.wait_for(demo.communicate(), 550)

    output = out.decode()
    assert demo.returncode == 0, output
    assert re.search(r"The tags of all \d+ customers equal a from-scratch evaluation", output)
    assert "0 rejected (429)" in output
    assert max(map(len, output.splitlines())) <= 80
