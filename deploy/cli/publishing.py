"""`tagger rules preview|publish|rollback`: see what rules would do, do it, undo it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.access import AsJson, Org, opened, org_id, run
from deploy.cli.language import Lang, Language
from deploy.cli.output import console, counted, errors, print_json
from deploy.cli.person import me
from deploy.cli.preview_text import print_preview
from deploy.cli.rules_file import File, read
from deploy.cli.runs import prepared, told

if TYPE_CHECKING:
    from service.store.drafts import Draft
    from service.store.runs import Run
    from service.store.shop import Shop

Note = Annotated[str, typer.Option(help="Why: shown in the history.")]
Approve = Annotated[bool, typer.Option("--approve", help="Publish although it touches or removes much.")]


def add_to(app: typer.Typer) -> None:
    """Put these commands into `tagger rules`."""
    for command in (preview, publish, rollback):
        app.command()(command)


def preview(org: Org, file: File, lang: Lang = Language.VI, as_json: AsJson = False) -> None:
    """Show what publishing a file would do to everybody known: tags, tier moves, API calls, warnings."""
    from service.locales import language_of, words
    from service.store import drafts

    rule_set = read(file)

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            draft = await drafts.draft(access.context, shop, rule_set)
        said = words(language_of(lang))
        if as_json:
            print_json(drafts.as_data(draft, words=said))
        else:
            for line in drafts.changes(draft, words=said) or [said("difference.none")]:
                console().print(line, soft_wrap=True)
            print_preview(draft, words=said)

    run(work())


def publish(
    org: Org, file: File, note: Note = "", approve: Approve = False, lang: Lang = Language.VI
) -> None:
    """Check a rules file, make it the shop's rules, and mark whoever changes by it."""
    from service.store import drafts, publishing

    rule_set = read(file)

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            draft = await drafts.draft(access.context, shop, rule_set)
            with shown_where_refused(draft, lang):
                done = await publishing.publish(
                    access.context, shop, draft, by=me(), note=note, approved=approve
                )
            started = await prepared(access.redis, shop.org, done.run)
        _tell(done.version.number, started, draft, shop)

    run(work())


def rollback(
    org: Org,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The version to go back to.")],
    note: Note = "",
    approve: Approve = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would do.")] = False,
    lang: Lang = Language.VI,
) -> None:
    """Publish an earlier version again: take back what the versions since gave, put back what they took. The latest is undone freely for a day."""
    from service.locales import language_of, words
    from service.store import drafts, publishing

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            draft = await drafts.draft_rollback(access.context, shop, to=version)
            if dry_run:
                print_preview(draft, words=words(language_of(lang)))
                return
            with shown_where_refused(draft, lang):
                done = await publishing.roll_back(
                    access.context, shop, draft, to=version, by=me(), note=note, approved=approve
                )
            started = await prepared(access.redis, shop.org, done.run)
        _tell(done.version.number, started, draft, shop)

    run(work())


@contextmanager
def shown_where_refused(draft: Draft, lang: Language) -> Iterator[None]:
    """Whoever must approve sees first what it is."""
    from service.locales import language_of, words
    from service.store.publishing import NeedsApproval

    try:
        yield
    except NeedsApproval:
        print_preview(draft, words=words(language_of(lang)))
        raise


def _tell(version: int, started: Run, draft: Draft, shop: Shop) -> None:
    rules = (
        f"{counted(len(draft.rule_set.rules), 'rule')} and {counted(len(draft.rule_set.tiers), 'tier group')}"
    )
    console().print(f"Version {version} is live: {rules}.")
    tell_run(started, draft, shop)
    if shop.shadow:
        errors().print(
            "The shop is in shadow mode: decisions are recorded, nothing is written. "
            f"See what would be: tagger shops live {shop.org} --dry-run"
        )


def tell_run(run: Run | None, draft: Draft, shop: Shop) -> None:
    """Who is marked by it, and what to do next."""
    if run is not None and (run.total or run.pending):
        console().print(told(run))
    elif not draft.shown.preview.customers:
        console().print(f"No customer is known yet. Look at everybody: tagger backfill {shop.org}")
    else:
        console().print("Nobody's tags change by it.")
    if draft.shown.unseen and draft.shown.preview.customers:
        errors().print(
            f"{counted(draft.shown.unseen, 'customer')} of the shop {'was' if draft.shown.unseen == 1 else 'were'} never "
            f"looked at. Look at everybody: tagger backfill {shop.org}"
        )
