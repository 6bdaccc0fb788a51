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

from tests.support.ports import free_port
from tests.support.processes import ROOT
from tests.support.wait import wait_until

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]  # each starts four processes
LINUX = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for children in /proc")


async def started(*words: str, cwd: Path, language: str = "en") -> asyncio.subprocess.Process:
    program = (sys.executable, "-P", "-m", "deploy.cli", "--lang", language)
    return await asyncio.create_subprocess_exec(
        *(*program, "demo", "--port", str(free_port()), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "80"},
        cwd=cwd,
    )


async def read_until(process: asyncio.subprocess.Process, word: str) -> str:
    assert process.stdout is not None
    text = ""
    async with asyncio.timeout(300):
        while word not in text:
            line = await process.stdout.readline()
            assert line, f"the demo ended before it printed {word!r}:\n{text}"
            text += line.decode()
    return text


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
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
async def test_stopping_the_demo_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    demo = await started("--customers", "20", cwd=tmp_path)
    await read_until(demo, "webhooks")
    pids = list(children(demo.pid))

    demo.send_signal(number)
    out, _ = await asyncio.wait_for(demo.communicate(), 200)

    assert len(pids) == 3  # store, web, worker
    assert demo.returncode == 0, out.decode()
    assert not [pid for pid in pids if lives(pid)]
    assert b"Traceback" not in out


@LINUX
async def test_a_demo_that_is_killed_takes_its_processes_with_it(tmp_path: Path) -> None:
    """It speaks the language that is asked for."""
    demo = await started("--customers", "20", cwd=tmp_path, language="vi")
    text = await read_until(demo, "đã đăng ký; mỗi webhook đều có chữ ký")
    assert "Một cửa hàng Haravan giả lập và hệ thống thật" in text
    assert not {"the", "shop", "store", "with", "receives", "customers"} & {*text.split()}
    pids = list(children(demo.pid))

    demo.kill()
    await demo.wait()

    async def all_gone() -> bool:
        return not any(map(lives, pids))

    await wait_until(all_gone)


async def test_a_fixed_day_ends_with_every_tag_right(tmp_path: Path) -> None:
    demo = await started("--once", "--customers", "40", cwd=tmp_path)

    out, _ = await asyncio.wait_for(demo.communicate(), 550)

    text = out.decode()
    assert demo.returncode == 0, text
    assert re.search(r"The tags of all \d+ customers equal a from-scratch evaluation", text)
    assert "0 rejected (429)" in text
    assert max(len(line) for line in text.splitlines() if "http://" not in line) <= 80  # a link stays whole
