"""`tagger rules preview|publish|rollback` and `tagger shops approve`: show the effect of rules, and make them live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, Org, open_context, run
from deploy.cli.inputs import RulesFile, current_actor, read_rules_file
from deploy.cli.output import print_json, print_note, print_sentence
from deploy.cli.preview_text import print_preview, print_warnings
from deploy.cli.runs import format_run, wait_until_prepared
from deploy.cli.wording import translate, translator
from deploy.local import console

if TYPE_CHECKING:
    from deploy.cli.context import CliContext
    from service.publishing import Draft, Published
    from service.store.jobs import Run
    from service.store.shops import Shop

Note = Annotated[str, typer.Option(help="The reason, shown in the history.")]
Approve = Annotated[
    bool, typer.Option("--approve", help="Publish although many customers change or many tags are removed.")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to `tagger rules`."""
    for command in (preview, publish, rollback):
        app.command()(command)


def preview(org: Org, file: RulesFile, as_json: AsJson = False) -> None:
    """Show the effect of publishing a file on all known customers: tags, tier moves, API calls, warnings."""
    from service.publishing import create_draft, draft_diff_lines, draft_to_dict

    rule_set = read_rules_file(file)

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            draft = await create_draft(cli.context, shop, rule_set)
        if as_json:
            print_json(draft_to_dict(draft, words=translator()))
        else:
            for line in draft_diff_lines(draft, words=translator()) or [translate("difference.none")]:
                console().print(line)
            print_preview(draft)

    run(work())


def publish(org: Org, file: RulesFile, note: Note = "", approve: Approve = False) -> None:
    """Publish a rules file as the shop's live rules, and queue the customers whose tags change."""
    from service.publishing import create_draft, find_same_rules, publish_draft

    rule_set = read_rules_file(file)

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            if (live := await find_same_rules(cli.context, shop, rule_set)) is not None:
                console().print(translate("publish.same", number=translator().number(live.number)))
                return
            draft = await create_draft(cli.context, shop, rule_set)
            with preview_if_refused(draft):
                published = await publish_draft(
                    cli.context, shop, draft, by=current_actor(), note=note, approved=approve
                )
            started = await wait_for(cli, shop, published)
        print_published(published.version.number, started, draft, shop)

    run(work())


def rollback(
    org: Org,
    version: Annotated[
        int, typer.Argument(metavar="VERSION", min=0, help="The version to publish again; 0: no rules.")
    ],
    note: Note = "",
    approve: Approve = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the effect.")] = False,
) -> None:
    """Publish an earlier version again: remove the tags that later versions gave, restore those that they removed.

    Version 0 is the shop before its first rules. The latest version can be undone without approval for one day.
    """
    from service.publishing import create_rollback_draft, roll_back

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            draft = await create_rollback_draft(cli.context, shop, to=version)
            if dry_run:
                print_preview(draft)
                return
            with preview_if_refused(draft):
                published = await roll_back(
                    cli.context, shop, draft, to=version, by=current_actor(), note=note, approved=approve
                )
            started = await wait_for(cli, shop, published)
        print_published(published.version.number, started, draft, shop)

    run(work())


def approve(
    org: Org,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
) -> None:
    """Approve the first look: write the tags that the live rules give to the customers that were only read so far."""
    from service.publishing import first_look

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            draft = await first_look.draft_approval(cli.context, shop)
            if dry_run:
                print_preview(draft, approve_with=f"tagger shops approve {org}")
                return
            started = await first_look.approve(cli.context, shop, draft, by=current_actor())
            if started is not None:
                started = await wait_until_prepared(cli.redis, shop.org, started)
        print_sentence("look.approved", org=org)
        print_run(started, draft, shop)

    run(work())


async def wait_for(cli: CliContext, shop: Shop, published: Published) -> Run | None:
    """Wait until a worker has marked the customers of a publish. None if it has no run."""
    if published.run is None or shop.is_frozen(await cli.context.now_ms()):
        return published.run
    return await wait_until_prepared(cli.redis, shop.org, published.run)


@contextmanager
def preview_if_refused(draft: Draft) -> Iterator[None]:
    """If an approval is needed, print the preview, which says why, and exit with 1."""
    from service.publishing import NeedsApproval

    try:
        yield
    except NeedsApproval as exc:
        print_preview(draft)
        raise typer.Exit(1) from exc


def print_published(version: int, started: Run | None, draft: Draft, shop: Shop) -> None:
    """Print the new version, its run, and what else to know."""
    words = translator()
    rules = words.plural("rules", len(draft.rule_set.rules))
    tiers = words.plural("tiers", len(draft.rule_set.tiers))
    console().print(words("publish.live", number=words.number(version), rules=rules, tiers=tiers))
    print_run(started, draft, shop)
    print_warnings(draft, kinds=frozenset({"leftover"}))
    if shop.shadow:
        print_note("publish.shadow", org=shop.org)


def print_run(run: Run | None, draft: Draft, shop: Shop) -> None:
    """Print how many customers the run marks, and the next command."""
    if draft.is_deferred:
        print_sentence("publish.deferred", org=shop.org)
        return
    if draft.freeze is not None:
        print_sentence("publish.frozen", last=translator().day(draft.freeze.last))
        return
    if run is not None and (run.total or run.pending):
        console().print(format_run(run))
    else:
        print_sentence("publish.nothing")
    if draft.report.unscanned and draft.report.preview.customers:
        customers = translator().plural("customers", draft.report.unscanned)
        print_note("publish.unscanned", customers=customers, org=shop.org)
