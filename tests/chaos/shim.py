"""A preloaded library that makes the store's disk slow and moves its clock, if there is a C compiler."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")


class Shim:
    """The library, and the page of shared memory that controls it."""

    def __init__(self, library: Path, page: Path) -> None:
        self._library = library
        self._path = page
        page.write_bytes(bytes(16))
        with page.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 16)

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that load it into a process."""
        return {"LD_PRELOAD": str(self._library), "CHAOS_PAGE": str(self._path)}

    def slow_fsync(self, seconds: float) -> None:
        """Make every fsync and fdatasync take longer by this."""
        self._page[:8] = struct.pack("q", int(seconds * 1e6))

    def move_clock(self, seconds: float) -> None:
        """Set the clock ahead of the machine's by this."""
        self._page[8:] = struct.pack("q", int(seconds * 1e6))


def unavailable_reason() -> str:
    """Why there can be no shim on this machine; empty if there can."""
    if not sys.platform.startswith("linux"):
        return "LD_PRELOAD is Linux's"
    return "" if shutil.which("cc") else "there is no C compiler"


def build_shim(folder: Path) -> Shim | None:
    """Compile the shim into `folder`; None if that is not possible."""
    return next(iter(build_shims(folder, [folder / "shim.page"])), None)


def build_shims(folder: Path, pages: Sequence[Path]) -> list[Shim]:
    """Compile the shim into `folder`, and control it by each of these pages; nothing if that is not possible."""
    compiler = shutil.which("cc")
    if unavailable_reason() or compiler is None:
        return []
    library = folder / "shim.so"
    compiled = subprocess.run(  # noqa: S603
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"],
        capture_output=True,
        check=False,
    )
    return [Shim(library, page) for page in pages] if compiled.returncode == 0 else []
