"""`tagger runs`: the progress of replays, publishes, claims and scans; pause, resume and cancel a replay."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, Org, open_context, run
from deploy.cli.exit_codes import UsageError
from deploy.cli.inputs import current_actor
from deploy.cli.output import format_time, print_json, print_table
from deploy.cli.runs import format_run, row
from deploy.cli.wording import headings, translate
from deploy.local import console
from service.sentence import Sentence

if TYPE_CHECKING:
    from service.domain.customers import OrgId
    from service.store.jobs import Run, RunKind
else:  # typer evaluates annotations, and importing these types would slow down every command
    RunKind = str

app = typer.Typer(
    help="Replays, publishes, claims and scans: their progress; pause, resume or cancel a replay.",
    no_args_is_help=True,
)
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The id of the run, such as R17.")]


def _parse_kind(text: str) -> RunKind:
    """Raises UsageError."""
    from service.store.jobs import RUN_KINDS

    for kind in RUN_KINDS:
        if kind == text:
            return kind
    raise UsageError(
        Sentence("{text!r} is no kind of run: write {kinds}", text=text, kinds=", ".join(RUN_KINDS))
    )


@app.command("list")
def list_runs(
    org: Org,
    kind: Annotated[
        RunKind | None,
        typer.Option(
            metavar="KIND", parser=_parse_kind, help="Only runs of this kind, such as replay or publish."
        ),
    ] = None,
    active: Annotated[bool, typer.Option("--active", help="Only runs that are not done yet.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the latest runs, newest first."""
    from service.store.jobs import RunFilter, runs

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            wanted = RunFilter(kind=kind, active=True if active else None)
            latest = await runs.latest(cli.redis, shop.org, limit=limit, wanted=wanted)
        if as_json:
            print_json([row(each) for each in latest])
            return
        print_table(
            headings(
                "run",
                "kind",
                "started",
                "by",
                ">how many",
                ">left",
                ">tags +",
                ">tags −",
                ">failed",
                "state",
            ),
            [
                (
                    each.id,
                    each.kind,
                    format_time(each.started_ms, shop.timezone),
                    each.by,
                    each.total,
                    each.remaining,
                    each.added,
                    each.removed,
                    each.failed,
                    _state(each),
                )
                for each in latest
            ],
            empty=translate("There is no run."),
        )

    run(work())


@app.command()
def show(org: Org, run_id: RunId, as_json: AsJson = False) -> None:
    """Show the progress of a run."""
    from service.store.jobs import runs

    async def work() -> Run:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            return await runs.get(cli.redis, shop.org, run_id)

    _print(run(work()), as_json=as_json)


@app.command()
def pause(org: Org, run_id: RunId, as_json: AsJson = False) -> None:
    """Mark no more customers of a replay until it is resumed. The few hundred that are marked are still evaluated."""
    from service.operations import pause_replay

    _print(run(_change(org, run_id, pause_replay)), as_json=as_json)


@app.command()
def resume(org: Org, run_id: RunId, as_json: AsJson = False) -> None:
    """Go on with a paused replay."""
    from service.operations import resume_replay

    _print(run(_change(org, run_id, resume_replay)), as_json=as_json)


@app.command()
def cancel(org: Org, run_id: RunId, as_json: AsJson = False) -> None:
    """End a replay. What was written stays."""
    from service.operations import cancel_replay

    _print(run(_change(org, run_id, cancel_replay)), as_json=as_json)


async def _change(org: OrgId, run_id: str, change: Callable[..., Awaitable[Run]]) -> Run:
    async with open_context() as cli:
        shop = await cli.shops.get_or_raise(org)
        return await change(cli.context, shop.org, run_id, by=current_actor())


def _print(shown: Run, *, as_json: bool) -> None:
    if as_json:
        print_json(row(shown))
    else:
        console().print(format_run(shown))


def _state(shown: Run) -> str:
    if shown.paused_by:
        return translate("paused by {by}", by=shown.paused_by)
    return shown.ended or (translate("active") if shown.is_active else translate("done"))
