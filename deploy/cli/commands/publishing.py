"""`tagger rules preview|publish|rollback` and `tagger shops approve`: show the effect of rules, and make them live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, Org, open_context, run
from deploy.cli.inputs import Lang, RulesFile, current_actor, read_rules_file
from deploy.cli.output import print_json
from deploy.cli.preview_text import print_preview, print_warnings
from deploy.cli.runs import format_run, wait_until_prepared
from deploy.local import console, error_console

if TYPE_CHECKING:
    from deploy.cli.context import CliContext
    from service.domain.explain import Translator
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
    from service.locales import translator_for
    from service.publishing import create_draft, draft_diff_lines, draft_to_dict

    rule_set, words = read_rules_file(file, lang), translator_for(lang)

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            draft = await create_draft(cli.context, shop, rule_set)
        if as_json:
            print_json(draft_to_dict(draft, words=words))
        else:
            for line in draft_diff_lines(draft, words=words) or [words("difference.none")]:
                console().print(line)
            print_preview(draft, words=words)

    run(work())


def publish(org: Org, file: RulesFile, note: Note = "", approve: Approve = False, lang: Lang = "vi") -> None:
    """Publish a rules file as the shop's live rules, and queue the customers whose tags change."""
    from service.locales import translator_for
    from service.publishing import create_draft, find_same_rules, publish_draft

    rule_set, words = read_rules_file(file, lang), translator_for(lang)

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            if (live := await find_same_rules(cli.context, shop, rule_set)) is not None:
                console().print(words("publish.same", number=words.number(live.number)))
                return
            draft = await create_draft(cli.context, shop, rule_set)
            with preview_if_refused(draft, words):
                published = await publish_draft(
                    cli.context, shop, draft, by=current_actor(), note=note, approved=approve
                )
            started = await _wait(cli, shop, published, words)
        _print_result(published.version.number, started, draft, shop, words)

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
    from service.locales import translator_for
    from service.publishing import create_rollback_draft, roll_back

    words = translator_for(lang)

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            draft = await create_rollback_draft(cli.context, shop, to=version)
            if dry_run:
                print_preview(draft, words=words)
                return
            with preview_if_refused(draft, words):
                published = await roll_back(
                    cli.context, shop, draft, to=version, by=current_actor(), note=note, approved=approve
                )
            started = await _wait(cli, shop, published, words)
        _print_result(published.version.number, started, draft, shop, words)

    run(work())


def approve(
    org: Org,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
    lang: Lang = "vi",
) -> None:
    """Approve the first look: write the tags that the live rules give to the customers that were only read so far."""
    from service.locales import translator_for
    from service.publishing import first_look

    words = translator_for(lang)

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            draft = await first_look.draft_approval(cli.context, shop)
            if dry_run:
                print_preview(draft, words=words, approve_with=f"tagger shops approve {org}")
                return
            started = await first_look.approve(cli.context, shop, draft, by=current_actor())
            if started is not None:
                started = await wait_until_prepared(cli.redis, shop.org, started, words)
        console().print(words("look.approved", org=org))
        print_run(started, draft, shop, words)

    run(work())


async def _wait(cli: CliContext, shop: Shop, published: Published, words: Translator) -> Run | None:
    if published.run is None:
        return None
    return await wait_until_prepared(cli.redis, shop.org, published.run, words)


@contextmanager
def preview_if_refused(draft: Draft, words: Translator) -> Iterator[None]:
    """If an approval is needed, print the preview, which says why, and exit with 1."""
    from service.publishing import NeedsApproval

    try:
        yield
    except NeedsApproval as exc:
        print_preview(draft, words=words)
        raise typer.Exit(1) from exc


def _print_result(version: int, started: Run | None, draft: Draft, shop: Shop, words: Translator) -> None:
    rules = words.plural("rules", len(draft.rule_set.rules))
    tiers = words.plural("tiers", len(draft.rule_set.tiers))
    console().print(words("publish.live", number=words.number(version), rules=rules, tiers=tiers))
    print_run(started, draft, shop, words)
    print_warnings(draft, words=words, kinds=frozenset({"leftover"}))
    if shop.shadow:
        error_console().print(words("publish.shadow", org=shop.org))


def print_run(run: Run | None, draft: Draft, shop: Shop, words: Translator) -> None:
    """Print how many customers the run marks, and the next command."""
    if draft.is_deferred:
        console().print(words("publish.deferred", org=shop.org))
        return
    if run is not None and (run.total or run.pending):
        console().print(format_run(run, words))
    else:
        console().print(words("publish.nothing"))
    if draft.report.unscanned and draft.report.preview.customers:
        customers = words.plural("customers", draft.report.unscanned)
        error_console().print(words("publish.unscanned", customers=customers, org=shop.org))
