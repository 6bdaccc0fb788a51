"""Secrets and personal data that are planted before a run, and must be found in no log and no argument after it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

SECRET = "canary-webhook-secret-5c1a"  # made up, to be looked for
KEY = "canary-secret-key-7d20-" + "k" * 16
VERIFY = "canary-verify-token-91f3"
OPS = "canary-ops-token-d0c4b8"
TOKEN = "canary-access-token"  # every token begins so
PHONE = "0900099999"
EMAIL = "canary.99@example.com"
NAME = "Hoàng Yến Chim"
NOTE = "canary-note-2b6e"
ALL = (SECRET, KEY, VERIFY, OPS, TOKEN, PHONE, EMAIL, NAME, NOTE, "@example.com", "Bearer ")


def found_in_logs(paths: Iterable[Path]) -> list[str]:
    """Every canary that a log holds, with the log's name: never the line."""
    found: list[str] = []
    for path in paths:
        with path.open("rb") as log:
            for line in log:
                found += [f"{path.name}: {each[:12]}…" for each in ALL if each.encode() in line]
    return sorted(set(found))


def found_in_arguments(pids: Iterable[int]) -> list[str]:
    """Every canary in the arguments of these processes, which anybody on the machine may read."""
    found: list[str] = []
    for pid in pids:
        path = Path(f"/proc/{pid}/cmdline")
        line = path.read_bytes() if path.exists() else b""
        found += [f"arguments of {pid}: {each[:12]}…" for each in ALL if each.encode() in line]
    return found
