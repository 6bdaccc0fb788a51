"""Progress and result of runs (replay, publish, backfill, …) on the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deploy.cli.wording import translate, translator
from deploy.local import error_console

if TYPE_CHECKING:
    from rich.progress import Progress

    from service.domain.customers import OrgId
    from service.store.client import RedisClient
    from service.store.jobs import Run

POLL_INTERVAL_S = 0.5
SCANS = ("backfill", "reconcile", "audit")
PREPARE_POLL_INTERVAL_S = 0.1
MAX_NOT_FOUND = 20  # customers that are named
NO_WORKER_TIMEOUT_S = 20.0


def progress() -> Progress:
    """A progress bar on stderr, if that is a terminal. It disappears when it is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = error_console()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def progress_counter(label: str, *, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A progress bar. Yields a function that takes the number of completed items."""
    with progress() as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


async def wait_for_run(redis: RedisClient, org: OrgId, started: Run) -> Run:
    """Show a progress bar until the run has ended, and return its final state.

    It also returns when Haravan knows none of the remaining customers: a second 404 confirms that ten minutes later.
    """
    from service.store.jobs import runs
    from service.store.queue import dirty

    latest = started
    with progress() as bar:
        task = bar.add_task(_name(started), total=started.total)
        while latest.is_active:
            bar.update(task, completed=latest.total - latest.remaining, total=latest.total)
            await asyncio.sleep(POLL_INTERVAL_S)
            latest = await runs.get(redis, org, started.id)
            if 0 < latest.remaining <= MAX_NOT_FOUND:
                customers = await runs.remaining(redis, org, started.id)
                if customers and len(await dirty.not_found_among(redis, org, customers)) == len(customers):
                    shown = ", ".join(map(str, customers))
                    error_console().print(translate("run.unknown", customers=shown))
                    break
    return latest


async def wait_until_prepared(redis: RedisClient, org: OrgId, started: Run) -> Run:
    """Wait until a worker has queued all customers of the run. Gives up after 20 s without progress, with a note."""
    from service.store.jobs import runs

    latest, idle_s = started, 0.0
    with progress() as bar:
        label = translate("preparing {what}", what=_name(started))
        task = bar.add_task(label, total=None)
        while latest.pending and not latest.ended and idle_s < NO_WORKER_TIMEOUT_S:
            await asyncio.sleep(PREPARE_POLL_INTERVAL_S)
            before, latest = latest, await runs.get(redis, org, started.id)
            idle_s = idle_s + PREPARE_POLL_INTERVAL_S if latest.total == before.total else 0.0
            bar.update(task, completed=latest.total)
    if latest.pending and not latest.ended:
        error_console().print(translate("run.no_worker"))
    return latest


def format_run(run: Run) -> str:
    """One sentence: the result of the run, or its progress."""
    words = translator()
    name, queued = _name(run), words.number(run.total)
    parts = (
        [words("run.scanned", customers=words.plural("customers", run.scanned), queued=queued)]
        if run.kind in SCANS
        else []
    )
    if run.is_active:
        customers = words.plural("customers", run.remaining)
        parts.append(words("run.to_go", customers=customers) if run.remaining else words("run.selecting"))
        return words("run.active", name=name, parts=", ".join(parts))
    parts.append(
        words(
            "run.done",
            customers=words.plural("customers", run.done),
            tags=words.plural("tags", run.added),
            removed=words.number(run.removed),
            failed=words.number(run.failed),
        )
    )
    key = "run.ended" if run.ended else "run.complete"
    return words(key, name=name, parts=", ".join(parts), why=run.ended)


def _name(run: Run) -> str:
    return translate(f"run.{run.kind}", id=run.id)


def row(run: Run) -> dict[str, object]:
    """The run as JSON, for scripts."""
    import msgspec

    return dict(msgspec.structs.asdict(run))
