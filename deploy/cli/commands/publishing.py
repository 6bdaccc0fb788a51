"""`tagger rules preview|publish|rollback` and `tagger shops approve`: show the effect of rules, and make them live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, Org, open_context, parse_org_id, run
from deploy.cli.inputs import Lang, RulesFile, current_actor, read_rules_file
from deploy.cli.output import plural, print_json, summary
from deploy.cli.preview_text import print_preview, print_warnings
from deploy.cli.runs import format_run, wait_until_prepared
from deploy.local import console, error_console

if TYPE_CHECKING:
    from deploy.cli.context import CliContext
    from service.domain.explain import Language
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


def preview(org: Org, file: RulesFile, lang: Lang = "vi", as_json: AsJson = False) -> None:
    """Show the effect of publishing a file on all known customers: tags, tier moves, API calls, warnings."""
    from service.locales import parse_language, translator_for
    from service.publishing import create_draft, draft_diff_lines, draft_to_dict

    rule_set = read_rules_file(file)

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(parse_org_id(org))
            draft = await create_draft(cli.context, shop, rule_set)
        sentences = translator_for(parse_language(lang))
        if as_json:
            print_json(draft_to_dict(draft, words=sentences))
        else:
            for line in draft_diff_lines(draft, words=sentences) or [sentences("difference.none")]:
                console().print(line)
            print_preview(draft, words=sentences)

    run(work())


def publish(org: Org, file: RulesFile, note: Note = "", approve: Approve = False, lang: Lang = "vi") -> None:
    """Publish a rules file as the shop's live rules, and queue the customers whose tags change."""
    from service.publishing import create_draft, find_same_rules, publish_draft

    rule_set = read_rules_file(file)

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(parse_org_id(org))
            if (live := await find_same_rules(cli.context, shop, rule_set)) is not None:
                console().print(
                    f"These rules are live already: version {live.number}. Nothing was published."
                )
                return
            draft = await create_draft(cli.context, shop, rule_set)
            with preview_if_refused(draft, lang):
                published = await publish_draft(
                    cli.context, shop, draft, by=current_actor(), note=note, approved=approve
                )
            started = await _wait(cli, shop, published)
        _print_result(published.version.number, started, draft, shop, lang)

    run(work())


def rollback(
    org: Org,
    version: Annotated[
        int, typer.Argument(metavar="VERSION", min=0, help="The version to publish again; 0: no rules.")
    ],
    note: Note = "",
    approve: Approve = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the effect.")] = False,
    lang: Lang = "vi",
) -> None:
    """Publish an earlier version again: remove the tags that later versions gave, restore those that they removed.

    Version 0 is the shop before its first rules. The latest version can be undone without approval for one day.
    """
    from service.locales import parse_language, translator_for
    from service.publishing import create_rollback_draft, roll_back

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(parse_org_id(org))
            draft = await create_rollback_draft(cli.context, shop, to=version)
            if dry_run:
                print_preview(draft, words=translator_for(parse_language(lang)))
                return
            with preview_if_refused(draft, lang):
                published = await roll_back(
                    cli.context, shop, draft, to=version, by=current_actor(), note=note, approved=approve
                )
            started = await _wait(cli, shop, published)
        _print_result(published.version.number, started, draft, shop, lang)

    run(work())


def approve(
    org: Org,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
    lang: Lang = "vi",
) -> None:
    """Approve the first look: write the tags that the live rules give to the customers that were only read so far."""
    from service.locales import parse_language, translator_for
    from service.publishing import first_look

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(parse_org_id(org))
            draft = await first_look.draft_approval(cli.context, shop)
            if dry_run:
                words = translator_for(parse_language(lang))
                print_preview(draft, words=words, approve_with=f"tagger shops approve {org}")
                return
            started = await first_look.approve(cli.context, shop, draft, by=current_actor())
            if started is not None:
                started = await wait_until_prepared(cli.redis, shop.org, started)
        console().print(f"The first look at shop {org} is approved.")
        print_run(started, draft, shop)

    run(work())


async def _wait(cli: CliContext, shop: Shop, published: Published) -> Run | None:
    if published.run is None:
        return None
    return await wait_until_prepared(cli.redis, shop.org, published.run)


@contextmanager
def preview_if_refused(draft: Draft, lang: Language) -> Iterator[None]:
    """If an approval is needed, print the preview before the error."""
    from service.locales import parse_language, translator_for
    from service.publishing import NeedsApproval

    try:
        yield
    except NeedsApproval:
        print_preview(draft, words=translator_for(parse_language(lang)))
        raise


def _print_result(version: int, started: Run | None, draft: Draft, shop: Shop, lang: Language) -> None:
    from service.locales import parse_language, translator_for

    console().print(f"Version {version} is live: {summary(draft.rule_set)}.")
    print_run(started, draft, shop)
    print_warnings(draft, words=translator_for(parse_language(lang)), kinds=frozenset({"leftover"}))
    if shop.shadow:
        error_console().print(
            "The shop is in shadow mode: decisions are recorded, nothing is written. "
            f"Preview the end of shadow mode: tagger shops live {shop.org} --dry-run"
        )


def print_run(run: Run | None, draft: Draft, shop: Shop) -> None:
    """Print how many customers the run marks, and the next command."""
    if draft.is_deferred:
        console().print(
            "Customers with a webhook are evaluated by it now. Nothing else is written: read all customers first: "
            f"tagger backfill {shop.org}"
        )
        return
    if run is not None and (run.total or run.pending):
        console().print(format_run(run))
    else:
        console().print("No customer's tags change.")
    if draft.report.unscanned and draft.report.preview.customers:
        error_console().print(
            f"{plural(draft.report.unscanned, 'customer')} of the shop {'was' if draft.report.unscanned == 1 else 'were'} never "
            f"evaluated. Evaluate all customers: tagger backfill {shop.org}"
        )
