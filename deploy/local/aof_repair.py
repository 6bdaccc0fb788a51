"""Repair the end of an append-only file that was truncated by a kill, before the server starts with it.

At its start Valkey 8.1 truncates such a file in the middle of a transaction (valid_up_to moves inside MULTI).
Everything appended afterwards belongs to a transaction without an end, and the next start drops these acknowledged
writes. valkey-check-aof truncates before the MULTI, but it also truncates at any other damage. The script
deploy/repair-aof distinguishes the two.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Final

REPAIR_TIMEOUT_S: Final = 300.0
SCRIPT: Final = Path(__file__).parents[1] / "repair-aof"


def repair_aof(folder: Path, server: str) -> bool:
    """Remove an incomplete last transaction. Returns whether there was one. Other damage is left to the server."""
    if not any(folder.glob("*/*.manifest")):
        return False
    with tempfile.TemporaryDirectory(prefix="tagger-") as temporary:
        checker = Path(temporary) / (
            "redis-check-aof" if "redis" in Path(server).name else "valkey-check-aof"
        )
        checker.symlink_to(server)  # the server program acts as the checker under this name
        done = subprocess.run(  # noqa: S603
            ["sh", SCRIPT, checker, folder],  # noqa: S607
            stdout=subprocess.PIPE,  # damage that it leaves alone is reported on stderr
            timeout=REPAIR_TIMEOUT_S,
            check=False,
        )
    return b"repair-aof: removed" in done.stdout
