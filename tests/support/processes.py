"""Programs in processes of their own, as people run them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.local.supervisor import die_with_parent

ROOT: Final = Path(__file__).resolve().parents[2]
STOP_TIMEOUT_S: Final = 20.0


@contextmanager
def python_process(
    *arguments: str, environ: Mapping[str, str], log: Path = Path(os.devnull)
) -> Iterator[subprocess.Popen[bytes]]:
    """`python ARGUMENTS` with these settings alone. Its output goes to `log`.

    At the end it gets SIGTERM, and SIGKILL if it does not stop in time.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environ},
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # it calls one C function
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
