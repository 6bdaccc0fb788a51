"""`tagger migrate`: bring the data in Redis to the layout of this version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, open_context, run
from deploy.cli.inputs import current_actor
from deploy.cli.output import print_json, print_sentence, print_table
from deploy.cli.wording import headings, translate

if TYPE_CHECKING:
    from service.store.migrations import Step


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the data to the layout of this version. Web and workers wait meanwhile. It can be repeated.

    Make a backup first. An earlier version of the program refuses the data afterwards.
    """
    from service.store.client import keys
    from service.store.migrations import migrate as execute
    from service.store.migrations import plan_migrations

    async def work() -> list[Step]:
        async with open_context(any_layout=True) as cli:
            return await (plan_migrations(cli.redis) if dry_run else execute(cli.redis, by=current_actor()))

    steps = run(work())
    if as_json:
        print_json(
            {
                "layout": keys.LAYOUT,
                "dry_run": dry_run,
                "migrations": [
                    {"to": step.migration.to, "what": step.migration.what, "values": step.values}
                    for step in steps
                ],
            }
        )
        return
    print_table(
        headings(">to layout", "what", ">values"),
        [(step.migration.to, step.migration.what, step.values) for step in steps],
        empty=translate(
            "Nothing to do: the data has layout {layout}, which this version needs.", layout=keys.LAYOUT
        ),
    )
    if steps and dry_run:
        print_sentence("Nothing was changed.")
    elif steps:
        print_sentence("The data has layout {layout} now.", layout=keys.LAYOUT)
