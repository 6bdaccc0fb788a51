"""`tagger shops shadow|live`: turn shadow mode on and off. In shadow mode decisions are recorded but not written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands.publishing import preview_if_refused, print_run
from deploy.cli.context import Org, open_context, run
from deploy.cli.inputs import current_actor
from deploy.cli.output import print_sentence
from deploy.cli.preview_text import print_preview
from deploy.cli.runs import wait_until_prepared

if TYPE_CHECKING:
    from service.publishing import Draft
    from service.store.jobs import Run
    from service.store.shops import Shop


def add_to(app: typer.Typer) -> None:
    """Add these commands to `tagger shops`."""
    for command in (shadow, live):
        app.command()(command)


def shadow(org: Org) -> None:
    """Turn shadow mode on: decisions are recorded, nothing is written. A write in progress is completed."""
    from service.publishing import begin_shadow_mode

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            changed = await begin_shadow_mode(cli.context, shop, by=current_actor())
        if changed:
            print_sentence(
                "Shop {org} is in shadow mode: decisions are recorded, nothing is written.", org=org
            )
        else:
            print_sentence("Shop {org} was in shadow mode already.", org=org)
        print_sentence("Preview the end of shadow mode: tagger shops live {org} --dry-run", org=org)

    run(work())


def live(
    org: Org,
    approve: Annotated[
        bool,
        typer.Option("--approve", help="Continue although many customers change or many tags are removed."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
) -> None:
    """Turn shadow mode off and write the tags that were only decided, for all known customers."""
    from service.publishing import draft_end_of_shadow_mode, end_shadow_mode

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            draft = await draft_end_of_shadow_mode(cli.context, shop)
            if dry_run:
                print_preview(draft)
                return
            with preview_if_refused(draft):
                started = await end_shadow_mode(
                    cli.context, shop, draft, by=current_actor(), approved=approve
                )
            if started is not None:
                started = await wait_until_prepared(cli.redis, shop.org, started)
        _print_result(started, draft, shop)

    run(work())


def _print_result(started: Run | None, draft: Draft, shop: Shop) -> None:
    print_sentence("live.done", org=shop.org)
    if draft.parent:
        print_run(started, draft, shop)
    else:
        print_sentence("look.no_rules", org=shop.org)
