"""`tagger replay`: evaluate customers again."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.cli.context import (
    AsJson,
    Org,
    open_context,
    parse_customer_ids,
    run,
    server_time_ms,
)
from deploy.cli.inputs import Moment, current_actor, parse_time
from deploy.cli.output import plural, print_json
from deploy.cli.runs import format_run, progress_counter, row, wait_for_run
from deploy.local import console, error_console

MAX_NAMED = 20


def replay(
    org: Org,
    customers: Annotated[str, typer.Option(metavar="1,2,3", help="These customers.")] = "",
    since: Annotated[
        Moment | None,
        typer.Option(
            parser=parse_time,
            help="Customers with a delivery in the last 30m, 2h, 3d, or since a date and time.",
        ),
    ] = None,
    until: Annotated[
        Moment | None,
        typer.Option(parser=parse_time, help="With --since: only deliveries before this time."),
    ] = None,
    topic: Annotated[
        list[str] | None, typer.Option(help="With --since: only deliveries of this topic.")
    ] = None,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Customers with an open dead letter.")
    ] = False,
    everybody: Annotated[bool, typer.Option("--everybody", help="All known customers.")] = False,
    reason: Annotated[str, typer.Option(help="The reason, stored with the run.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count, change nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is done and print the result.")] = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate customers again, after live webhooks. Only differences are written, so a second replay changes nothing."""
    from service.locales import translator_for
    from service.operations import create_replay, select_customers
    from service.store.customers import snapshots

    chosen, words = parse_customer_ids(customers), translator_for("en")

    async def work() -> int:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            now = await server_time_ms(cli)
            with progress_counter("searching") as on_found:
                selection = await select_customers(
                    cli.context,
                    shop.org,
                    customers=chosen,
                    since_ms=since.to_ms(now_ms=now) if since else None,
                    until_ms=until.to_ms(now_ms=now) if until else None,
                    topics=topic or (),
                    dead_letters=dead_letters,
                    everybody=everybody,
                    on_found=on_found,
                )
            count = len(selection.customers)
            if not as_json:
                error_console().print(f"{plural(count, 'customer')} of shop {org}.")
            if customers and not as_json:
                unread = sorted(await snapshots.never_read(cli.redis, shop.org, selection.customers))
                if unread:
                    more = " …" if len(unread) > MAX_NAMED else ""
                    error_console().print(
                        f"Not known here yet: {', '.join(map(str, unread[:MAX_NAMED]))}{more}. Haravan is asked for them."
                    )
            if dry_run:
                if as_json:
                    print_json({"customers": count, "dry_run": True})
                return 0
            with progress_counter("queueing", total=count) as on_marked:
                started = await create_replay(
                    cli.context,
                    shop.org,
                    selection,
                    by=current_actor(),
                    reason=reason,
                    on_marked=on_marked,
                )
            if shop.paused and not as_json:
                error_console().print(
                    f"The shop is paused ({shop.paused}); the customers wait until it is resumed."
                )
            ended = (
                await wait_for_run(cli.redis, shop.org, started, words)
                if wait and not shop.paused
                else started
            )
        if as_json:
            print_json(row(ended))
        else:
            console().print(format_run(ended, words))
        return 1 if ended.failed or (wait and ended.remaining and not shop.paused) else 0

    raise typer.Exit(run(work()))
