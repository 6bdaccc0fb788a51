"""`tagger replay`: evaluate customers again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import (
    AsJson,
    CliContext,
    CustomerId,
    Org,
    OrgId,
    open_context,
    parse_customer_ids,
    run,
    server_time_ms,
)
from deploy.cli.inputs import Moment, current_actor, parse_time
from deploy.cli.output import print_json, print_note, print_sentence
from deploy.cli.runs import format_run, progress_counter, row, wait_for_run
from deploy.cli.wording import translate, translator
from deploy.local import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.operations import Selection
    from service.store.jobs import Run

MAX_NAMED = 20


def replay(
    org: Org,
    customers: Annotated[
        str, typer.Option(metavar="1,2,3", help="These customers, or of the deliveries only theirs.")
    ] = "",
    since: Annotated[
        Moment | None,
        typer.Option(
            parser=parse_time,
            help="Customers with a delivery in the last 30m, 2h, 3d, or since a date and time.",
        ),
    ] = None,
    until: Annotated[
        Moment | None, typer.Option(parser=parse_time, help="Only deliveries before this time.")
    ] = None,
    topic: Annotated[list[str] | None, typer.Option(help="Only deliveries of this topic.")] = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option(help="Only deliveries with this outcome: marked, echo, ignored, ignored:REASON."),
    ] = None,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Customers with an open dead letter.")
    ] = False,
    cause: Annotated[str, typer.Option(help="With --dead-letters: only of this cause.")] = "",
    everybody: Annotated[bool, typer.Option("--everybody", help="All known customers.")] = False,
    counted: Annotated[
        str, typer.Option("--run", metavar="R17", help="Start this run, which --dry-run has counted.")
    ] = "",
    per_minute: Annotated[
        int, typer.Option(min=0, help="The pace in customers a minute. 0: what the API rate limit allows.")
    ] = 0,
    reason: Annotated[str, typer.Option(help="The reason, stored with the run.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count. The count can be started within an hour.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is done and print the result.")] = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate customers again, after live webhooks. Only differences are written, so a second replay changes nothing.

    A worker marks the customers. `tagger runs` shows the progress, and pauses, resumes or cancels a replay.
    """
    from service.operations import count_replay, start_replay
    from service.store.jobs import runs

    chosen = parse_customer_ids(customers)

    def select(now_ms: int) -> Selection:
        from service.operations import LetterFilter, Selection
        from service.store.history import DeliveryFilter

        wanted = None
        if since or until or topic or outcome:
            wanted = DeliveryFilter(
                since_ms=since.to_ms(now_ms=now_ms) if since else 0,
                until_ms=until.to_ms(now_ms=now_ms) if until else None,
                topics=tuple(topic or ()),
                outcomes=tuple(outcome or ()),
                customers=tuple(chosen),
            )
        return Selection(
            customers=() if wanted else tuple(chosen),
            deliveries=wanted,
            dead_letters=LetterFilter(cause=cause) if dead_letters else None,
            everybody=everybody,
        )

    async def work() -> int:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            if counted:
                found = await runs.get(cli.redis, shop.org, counted)
            else:
                selection = select(await server_time_ms(cli))
                with progress_counter(translate("searching")) as on_found:
                    found = await count_replay(
                        cli.context, shop.org, selection, by=current_actor(), on_found=on_found
                    )
            if not as_json:
                await _print_found(cli, shop.org, found, chosen)
            if dry_run:
                if as_json:
                    print_json(row(found))
                else:
                    print_sentence(
                        "Start exactly these: tagger replay {org} --run {run}", org=org, run=found.id
                    )
                return 0
            started = await start_replay(
                cli.context,
                shop.org,
                found.id,
                by=current_actor(),
                reason=reason,
                per_minute=per_minute,
            )
            if shop.paused and not as_json:
                print_note(
                    "The shop is paused ({reason}); the customers wait until it is resumed.",
                    reason=shop.paused,
                )
            ended = await wait_for_run(cli.redis, shop.org, started) if wait and not shop.paused else started
        if as_json:
            print_json(row(ended))
        else:
            console().print(format_run(ended))
        return 1 if ended.failed or (wait and ended.remaining and not shop.paused) else 0

    raise typer.Exit(run(work()))


async def _print_found(cli: CliContext, org: OrgId, found: Run, chosen: Sequence[CustomerId]) -> None:
    """Print how many customers and webhooks match, and which of the chosen customers are not known yet."""
    from service.store.customers import snapshots

    words = translator()
    print_note("{customers} of shop {org}.", customers=words.plural("customers", found.total), org=org)
    if found.deliveries:
        print_note("Webhooks that match: {count}", count=words.number(found.deliveries))
    unread = sorted(await snapshots.never_read(cli.redis, org, chosen)) if chosen else []
    if unread:
        named = ", ".join(map(str, unread[:MAX_NAMED])) + (" …" if len(unread) > MAX_NAMED else "")
        print_note("Not known here yet: {customers}. Haravan is asked for them.", customers=named)
