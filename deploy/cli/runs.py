"""Runs on the terminal: a replay, a publish or a walk, followed to its end and told in one sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deploy.cli.output import counted, errors

if TYPE_CHECKING:
    from arq.connections import ArqRedis
    from rich.progress import Progress

    from service.domain.customers import OrgId
    from service.store.runs import Run

LOOK_EVERY_S = 0.5
SCANS = ("backfill", "reconcile", "audit")
PREPARED_EVERY_S = 0.1
NO_WORKER_S = 20.0


def progress() -> Progress:
    """A bar on stderr where somebody watches, gone when it is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors(), transient=True)


@contextmanager
def counting(what: str, *, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar that hears how many are done so far."""
    with progress() as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


async def followed(redis: ArqRedis, org: OrgId, started: Run) -> Run:
    """Wait for the run's end."""
    from service.store import runs

    latest = started
    with progress() as bar:
        task = bar.add_task(f"{started.kind} {started.id}", total=started.total)
        while latest.is_active:
            bar.update(task, completed=latest.total - latest.left, total=latest.total)
            await asyncio.sleep(LOOK_EVERY_S)
            latest = await runs.get(redis, org, started.id)
    return latest


async def prepared(redis: ArqRedis, org: OrgId, started: Run) -> Run:
    """Wait until a worker has added all customers of the run; not for ever, since no worker may be running."""
    from service.store import runs

    latest, waited_s = started, 0.0
    with progress() as bar:
        task = bar.add_task(f"preparing {started.kind} {started.id}", total=None)
        while latest.pending and not latest.ended and waited_s < NO_WORKER_S:
            await asyncio.sleep(PREPARED_EVERY_S)
            before, latest = latest, await runs.get(redis, org, started.id)
            waited_s = waited_s + PREPARED_EVERY_S if latest.total == before.total else 0.0
            bar.update(task, completed=latest.total)
    if latest.pending and not latest.ended:
        errors().print("No worker has done its part yet. It goes on by itself once one runs: tagger worker")
    return latest


def told(run: Run) -> str:
    """What came of it, or how far it is."""
    name = f"{run.kind.capitalize()} {run.id}"
    scanned = f"{counted(run.scanned, 'customer')} scanned, {run.total} queued, " if run.kind in SCANS else ""
    if run.is_active:
        to_go = f"{counted(run.left, 'customer')} to go" if run.left else "its customers are being selected"
        return f"{name} is in progress: {scanned}{to_go}."
    return (
        f"{name}: {scanned}{counted(run.done, 'customer')} processed, {counted(run.added, 'tag')} added, {run.removed} removed, {run.failed} failed."
        + (f" It ended early: {run.ended}." if run.ended else "")
    )


def row(run: Run) -> dict[str, object]:
    """For scripts."""
    import msgspec

    return dict(msgspec.structs.asdict(run))
