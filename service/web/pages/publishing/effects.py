"""What a version really did: its runs as one progress, with the time that is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from service.store.jobs import Run
from service.store.rules import Version
from service.store.shops import Shop

State = Literal["unknown", "preparing", "frozen", "paused", "shadow", "running", "done", "superseded"]
"""`unknown`: no run is stored, because it is too old, or because the end of the first look makes it. `preparing`: a worker
still looks for the customers that change."""
MIN_MEASURED: Final = 20  # customers; before, the speed is that of the preview


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the customers of a version are. `added` and `removed` are tags that were written."""

    state: State
    total: int = 0
    done: int = 0
    left: int = 0
    failed: int = 0
    added: int = 0
    removed: int = 0
    left_s: int | None = None  # about; None: nobody can tell

    @property
    def percent(self) -> int:
        """How much is done, of a hundred."""
        return 100 if not self.total else 100 * (self.total - self.left) // self.total

    @property
    def is_active(self) -> bool:
        """Whether it goes on, so that a page asks again."""
        return self.state in ("preparing", "frozen", "paused", "running")


def measure(runs: Sequence[Run], version: Version, shop: Shop, *, now_ms: int, is_live: bool) -> Progress:
    """The progress of a version from its runs."""
    if not runs:
        return Progress("unknown")
    counted = Progress(
        _state(runs, shop, now_ms=now_ms, is_live=is_live),
        total=sum(run.total for run in runs),
        done=sum(run.done for run in runs),
        left=sum(run.remaining for run in runs),
        failed=sum(run.failed for run in runs),
        added=sum(run.added for run in runs),
        removed=sum(run.removed for run in runs),
    )
    if counted.state != "running":
        return counted
    return replace(counted, left_s=_left_s(counted, runs, version, now_ms=now_ms))


def _state(runs: Sequence[Run], shop: Shop, *, now_ms: int, is_live: bool) -> State:
    if not any(run.is_active for run in runs):
        return "superseded" if all(run.ended == "superseded" for run in runs) else "done"
    if is_live and shop.is_frozen(now_ms):
        return "frozen"
    if shop.paused:
        return "paused"
    if shop.shadow:
        return "shadow"
    return "preparing" if any(run.pending for run in runs) else "running"


def _left_s(progress: Progress, runs: Sequence[Run], version: Version, *, now_ms: int) -> int | None:
    """From the speed so far, or, before it can be measured, from the preview."""
    processed = progress.total - progress.left
    started_ms = min(run.started_ms for run in runs if run.is_active)
    if processed >= MIN_MEASURED and now_ms > started_ms:
        return int(progress.left * (now_ms - started_ms) / processed / 1000)
    preview = version.preview or {}
    if not preview.get("touched"):
        return None
    return int(preview["seconds"] * progress.left / preview["touched"])
