"""`tagger store`: the state of every server, and the move of the data to another store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploy.cli.context import AsJson, open_context, run
from deploy.cli.exit_codes import UsageError
from deploy.cli.inputs import current_actor
from deploy.cli.output import EMPTY, print_json, print_note, print_sentence, print_table
from deploy.cli.runs import progress
from deploy.cli.wording import headings, translate, translator
from deploy.local import console
from service.sentence import Sentence

if TYPE_CHECKING:
    from service.store.move import MovePlan, MoveResult, Stage
    from service.store.topology import ServerStatus, StoreStatus

app = typer.Typer(
    help="The Redis servers that hold the data: one, Sentinel or a cluster.", no_args_is_help=True
)

MEBIBYTE: Final = 2**20
STAGES: Final = {
    "copying": Sentence("copying"),
    "catching_up": Sentence("copying what changed"),
    "fenced": Sentence("webhooks are answered 503: the last changes"),
}
To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="URL",
        envvar="NEW_REDIS_URL",
        help="The new store, as in REDIS_URL. The variable NEW_REDIS_URL keeps a password out of the list of processes.",
    ),
]


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show every server: role, memory, disk, replicas, and whether acknowledged webhooks are safe there.

    Exits with 1 if somebody is needed: a server is away, full, or does not keep what DURABILITY promises.
    """
    from service.store.topology import load_status

    async def work() -> StoreStatus:
        async with open_context(any_layout=True) as cli:
            return await load_status(cli.redis, cli.settings.durability)

    found = run(work())
    if as_json:
        import msgspec

        print_json(
            {
                **msgspec.to_builtins(found),
                "away": found.away,
                "needs_somebody": found.needs_somebody,
            }
        )
    else:
        _print_status(found)
    if found.needs_somebody:
        raise typer.Exit(1)


@app.command()
def move(
    to: To = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check, and show what would be moved.")
    ] = False,
    cancel: Annotated[
        bool,
        typer.Option(
            "--cancel", help="End a move that was interrupted: the data stays, and the copies are deleted."
        ),
    ] = False,
    is_lost: Annotated[
        bool,
        typer.Option(
            "--new-store-is-lost", help="With --cancel: the new store is gone for good, do not ask it."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Move all data to another store while webhooks arrive. For some seconds they are answered 503, and Haravan repeats them.

    All running processes follow by themselves. Set REDIS_URL to the new store afterwards. An interrupted move is taken up
    by the same command.
    """
    from service.store.client import connect
    from service.store.move import MovePlan, cancel_move, plan_move
    from service.store.move import move as execute
    from service.store.servers import parse_address

    if not to:
        raise UsageError(Sentence("the new store is missing: add --to URL, or set NEW_REDIS_URL"))
    try:
        parse_address(to)
    except ValueError as exc:
        raise UsageError(
            Sentence("the address of the new store is not valid: {reason}", reason=str(exc))
        ) from exc

    async def work() -> tuple[MovePlan, MoveResult | None, int]:
        async with open_context(any_layout=True) as cli:
            if cancel:
                copies = await cancel_move(cli.redis, to, by=current_actor(), is_lost=is_lost)
                return MovePlan(is_complete=False), None, copies
            async with connect(to) as target:
                plan = await plan_move(
                    cli.redis,
                    target,
                    durability=cli.settings.durability,
                    queue_url=cli.settings.queue_url,
                )
            if plan.is_complete or dry_run:
                return plan, None, 0
            _print_plan(plan)
            question = translate("Move everything? Webhooks are answered 503 for some seconds")
            if not yes and not typer.confirm(question, err=True):
                print_sentence("Nothing was changed.")
                raise typer.Exit(1)
            with _progress() as report:
                result = await execute(
                    cli.redis, to, keyring=cli.shops.keyring, by=current_actor(), on_progress=report
                )
            return plan, result, 0

    plan, result, copies = run(work())
    if as_json:
        import msgspec

        print_json(
            {
                "plan": msgspec.to_builtins(plan),
                "result": msgspec.to_builtins(result),
                "deleted_copies": copies,
                "dry_run": dry_run,
            }
        )
    elif cancel:
        print_sentence("The data stays in the old store. Copies that were deleted: {count}.", count=copies)
    elif plan.is_complete:
        print_sentence("The data is in this store already. Set REDIS_URL to it.")
    elif result is None:
        _print_plan(plan)
        print_sentence("Nothing was changed.")
    else:
        _print_result(result)


def _print_plan(plan: MovePlan) -> None:
    print_note(
        "Shops: {shops}, keys: {keys}, memory: {memory} MB, primaries of the new store: {servers}.",
        shops=plan.shops,
        keys=plan.keys,
        memory=plan.bytes // MEBIBYTE,
        servers=plan.servers,
    )


def _print_result(result: MoveResult) -> None:
    print_sentence(
        "Moved and compared. Keys: {keys}, {size} MB, {took} s. Webhooks were answered 503 for {pause} s.",
        keys=result.keys,
        size=result.bytes // MEBIBYTE,
        took=f"{result.took_ms / 1000:.1f}",
        pause=f"{result.pause_ms / 1000:.1f}",
    )
    print_sentence(
        "Now set REDIS_URL (and DURABILITY) to the new store and restart web and workers. Then stop the old store and delete "
        "its files: they have personal data. Until then it refuses all writes."
    )


@contextmanager
def _progress() -> Iterator[Callable[[Stage, int, int], None]]:
    with progress() as bar:
        task = bar.add_task("", total=None)

        def report(stage: Stage, done: int, total: int) -> None:
            bar.update(task, description=STAGES[stage].text(translator()), completed=done, total=total)

        yield report


def _print_status(status: StoreStatus) -> None:
    print_table(
        headings(
            "server",
            "role",
            "state",
            "version",
            ">memory",
            "append-only file",
            "replicas",
            ">slots",
            ">shops",
        ),
        [_row(server) for server in status.servers],
        empty=translate("There is nothing."),
    )
    console().print(f"DURABILITY={status.durability}")
    for name in dict.fromkeys(check.name for check in status.checks):
        servers = ", ".join(check.server for check in status.checks if check.name == name)
        console().print("→", translator()(f"doctor.store_{name}", servers=servers), soft_wrap=True)
    if status.away:
        print_sentence(
            "Servers that do not answer: {away} of {count}.", away=status.away, count=len(status.servers)
        )
    elif not status.checks:
        print_sentence("Everything is in order.")


def _row(server: ServerStatus) -> tuple[object, ...]:
    role = (
        translate("primary")
        if server.role == "primary"
        else translate("replica of {primary}", primary=server.primary)
    )
    if server.is_away:
        return (
            server.address,
            role,
            translate("away"),
            *[EMPTY] * 4,
            server.slots or EMPTY,
            server.shops or EMPTY,
        )
    return (
        server.address,
        role,
        _state(server),
        server.version,
        _memory(server),
        server.append_only,
        server.replicas if server.role == "primary" else EMPTY,
        server.slots or EMPTY,
        server.shops if server.role == "primary" else EMPTY,
    )


def _state(server: ServerStatus) -> str:
    if server.role == "replica" and server.link != "up":
        return translate("not connected to its primary") if server.link == "down" else translate("is copying")
    if server.lag_bytes:
        return translate("{count} bytes behind", count=server.lag_bytes)
    is_refused = any(check.level == "refused" for check in server.checks)
    return translate("refuses webhooks") if is_refused else translate("in order")


def _memory(server: ServerStatus) -> str:
    used = f"{server.used_bytes / MEBIBYTE:.1f}"
    limit = f"{server.limit_bytes // MEBIBYTE}" if server.limit_bytes else "∞"
    return f"{used} / {limit} MB"
