"""`tagger shops freeze|unfreeze`: write no tag between two days."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from deploy.cli.commands.publishing import preview_if_refused, print_run
from deploy.cli.context import Org, open_context, run
from deploy.cli.inputs import current_actor, parse_date
from deploy.cli.output import print_sentence
from deploy.cli.preview_text import print_preview
from deploy.cli.runs import wait_until_prepared
from deploy.cli.wording import translator


def add_to(app: typer.Typer) -> None:
    """Add these commands to `tagger shops`."""
    for command in (freeze, unfreeze):
        app.command()(command)


def freeze(
    org: Org,
    first: Annotated[
        date,
        typer.Option("--from", metavar="DAY", parser=parse_date, help="The first frozen day: 2027-01-25."),
    ],
    last: Annotated[
        date, typer.Option("--to", metavar="DAY", parser=parse_date, help="The last frozen day.")
    ],
) -> None:
    """Write no tag between two days of the shop. Webhooks are still received, and nothing is lost.

    After the last day everything is evaluated and written. Beyond the guard the shop stays frozen until an approval.
    Another call changes the days.
    """
    from service.publishing import freeze as freezes

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            frozen = await freezes.set_freeze(cli.context, shop, first, last, by=current_actor())
        print_sentence(
            "freeze.done", org=org, first=translator().day(frozen.first), last=translator().day(frozen.last)
        )

    run(work())


def unfreeze(
    org: Org,
    approve: Annotated[
        bool,
        typer.Option("--approve", help="Continue although many customers change or many tags are removed."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
) -> None:
    """End a freeze now, and write what has changed meanwhile. A freeze that has not begun is cancelled."""
    from service.publishing import freeze as freezes

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            if not dry_run and await freezes.is_planned(cli.context, shop):
                await freezes.cancel_freeze(cli.context, shop, by=current_actor())
                print_sentence("freeze.cancelled", org=org)
                return
            draft = await freezes.draft_end_of_freeze(cli.context, shop)
            if dry_run:
                print_preview(draft)
                return
            with preview_if_refused(draft):
                started = await freezes.end_freeze(
                    cli.context, shop, draft, by=current_actor(), approved=approve
                )
            if started is not None:
                started = await wait_until_prepared(cli.redis, shop.org, started)
        print_sentence("freeze.ended", org=org)
        print_run(started, draft, shop)

    run(work())
