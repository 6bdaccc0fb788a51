"""Secrets and personal data that a test plants, and then looks for in logs, answers and process arguments."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

WEBHOOK_SECRET: Final = "canary-webhook-secret-5c1a"
SECRET_KEY: Final = "canary-secret-key-7d20-" + "k" * 16
VERIFY_TOKEN: Final = "canary-verify-token-91f3"
OPS_TOKEN: Final = "canary-ops-token-d0c4b8"
ACCESS_TOKEN: Final = "canary-access-token"  # the beginning of every access token
PHONE: Final = "0900099999"
EMAIL: Final = "canary.99@example.com"
NAME: Final = "Hoàng Yến Chim"
NOTE: Final = "canary-note-2b6e"
CANARIES: Final = ("canary", PHONE, NAME, "@example.com")  # parts of all the above


def find_in_texts(texts: Iterable[str], more: Iterable[str] = ()) -> list[str]:
    """The canaries, and those of `more`, that are in one of the texts."""
    texts = list(texts)
    return [canary for canary in (*CANARIES, *more) if any(canary in text for text in texts)]


def find_in_logs(paths: Iterable[Path]) -> list[str]:
    """The canaries in the logs, each with the name of its log, never with its line."""
    leaks: set[str] = set()
    for path in paths:
        with path.open(encoding="utf-8", errors="replace") as log:
            leaks |= {
                f"{path.name}: {canary}" for line in log for canary in find_in_texts([line], ["Bearer "])
            }
    return sorted(leaks)


def find_in_arguments(pids: Iterable[int]) -> list[str]:
    """The canaries in the arguments of these processes, which every user of the machine may read."""
    return [
        f"arguments of {pid}: {canary}" for pid in pids for canary in find_in_texts([process_arguments(pid)])
    ]


def process_arguments(pid: int) -> str:
    """The command line of a process; empty when the process is gone."""
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
