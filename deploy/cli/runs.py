"""Progress and result of runs (replay, publish, backfill, …) on the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deploy.cli.output import plural
from deploy.local.console import error_console

if TYPE_CHECKING:
    from arq.connections import ArqRedis
    from rich.progress import Progress

    from service.domain.customers import OrgId
    from service.store.runs import Run

POLL_INTERVAL_S = 0.5


def progress() -> Progress:
    """A progress bar on stderr. It disappears when it is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=error_console(), transient=True)


@contextmanager
def progress_counter(label: str, *, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A progress bar. Yields a function that takes the number of completed items."""
    with progress() as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


async def wait_for_run(redis: ArqRedis, org: OrgId, started: Run) -> Run:
    """Show a progress bar until the run has ended, and return its final state."""
    from service.store import runs

    latest = started
    with progress() as bar:
        task = bar.add_task(f"{started.kind} {started.id}", total=started.total)
        while latest.left and not latest.ended:
            bar.update(task, completed=latest.total - latest.left, total=latest.total)
            await asyncio.sleep(POLL_INTERVAL_S)
            latest = await runs.get(redis, org, started.id)
    return latest


def format_run(run: Run) -> str:
    """One sentence: the result of a run, or its progress."""
    name = f"{run.kind.capitalize()} {run.id}"
    if run.left and not run.ended:
        return f"{name} is under way: {plural(run.left, 'customer')} to go."
    return (
        f"{name}: {plural(run.done, 'customer')} evaluated, {plural(run.added, 'tag')} added, {run.removed} removed, {run.failed} failed."
        + (f" It ended early: {run.ended}." if run.ended else "")
    )


def row(run: Run) -> dict[str, object]:
    """The run as JSON, for scripts."""
    import msgspec

    return dict(msgspec.structs.asdict(run))
