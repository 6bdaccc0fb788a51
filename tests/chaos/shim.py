"""A preloaded library that makes the store's disk slow and moves its clock, where there is a C compiler."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")


class Shim:
    """The library and the page of memory through which it is told what to do."""

    def __init__(self, library: Path, page: Path) -> None:
        self._library = library
        self._path = page
        page.write_bytes(bytes(16))
        with page.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 16)

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs in its environment to be under the shim."""
        return {"LD_PRELOAD": str(self._library), "CHAOS_PAGE": str(self._path)}

    def slow_fsync(self, seconds: float) -> None:
        """Every fsync and fdatasync takes so much longer from now on."""
        self._page[:8] = struct.pack("q", int(seconds * 1e6))

    def move_clock(self, seconds: float) -> None:
        """The clock is ahead of the machine's by so much from now on."""
        self._page[8:] = struct.pack("q", int(seconds * 1e6))


def why_not() -> str:
    """Why there can be no shim here; "" when there can."""
    if not sys.platform.startswith("linux"):
        return "LD_PRELOAD is Linux's"
    return "" if shutil.which("cc") else "there is no C compiler"


def built(folder: Path) -> Shim | None:
    """Compile the shim into `folder`; None where that cannot be done."""
    compiler = shutil.which("cc")
    if why_not() or compiler is None:
        return None
    library = folder / "shim.so"
    done = subprocess.run(  # noqa: S603
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"],
        capture_output=True,
        check=False,
    )
    return Shim(library, folder / "shim.page") if done.returncode == 0 else None
