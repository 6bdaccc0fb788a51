"""Mends the end of a store's append-only file that a kill tore, before the store is started on it.

Valkey 8.1 cuts a torn file in the middle of the transaction (valid_up_to moves inside MULTI): what is appended then
belongs to a transaction that never ends, and the start after the next drops acknowledged writes. Its own checker cuts
before the MULTI, but behind any other damage as well; deploy/mend-log tells the two apart.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Final

WITHIN_S: Final = 300.0
SCRIPT: Final = Path(__file__).with_name("mend-log")


def mend(folder: Path, server: str) -> bool:
    """Cut off a torn transaction, if there is one; whether there was. What cannot be mended is left to the server."""
    if not any(folder.glob("*/*.manifest")):
        return False
    with tempfile.TemporaryDirectory(prefix="tagger-") as short:
        checker = Path(short) / ("redis-check-aof" if "redis" in Path(server).name else "valkey-check-aof")
        checker.symlink_to(server)  # by this name the server's program is the checker
        done = subprocess.run(  # noqa: S603
            ["sh", SCRIPT, checker, folder],  # noqa: S607
            stdout=subprocess.PIPE,  # what it leaves to a person it says on stderr
            timeout=WITHIN_S,
            check=False,
        )
    return b"mend-log: cut" in done.stdout
