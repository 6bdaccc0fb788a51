"""`tagger shops shadow|live`: decide and record without writing, see what would be written, begin to write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.access import Org, opened, org_id, run
from deploy.cli.language import Lang, Language
from deploy.cli.output import console
from deploy.cli.person import me
from deploy.cli.preview_text import print_preview
from deploy.cli.publishing import shown_where_refused, tell_run
from deploy.cli.runs import prepared

if TYPE_CHECKING:
    from service.store.drafts import Draft
    from service.store.runs import Run
    from service.store.shop import Shop


def add_to(app: typer.Typer) -> None:
    """Put these commands into `tagger shops`."""
    for command in (shadow, live):
        app.command()(command)


def shadow(org: Org) -> None:
    """Decide and record from now on, write nothing. A write that is on its way is let arrive."""
    from service.store import going_live

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            news = await going_live.go_dark(access.context, shop, by=me())
        console().print(
            f"Shop {org} is in shadow mode{'' if news else ' already'}: decisions are recorded, nothing is written. "
            f"See what would be: tagger shops live {org} --dry-run"
        )

    run(work())


def live(
    org: Org,
    approve: Annotated[bool, typer.Option("--approve", help="Although it touches or removes much.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
    lang: Lang = Language.VI,
) -> None:
    """End shadow mode: write what was only decided, for everybody known."""
    from service.locales import language_of, words
    from service.store import going_live

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            draft = await going_live.draft_live(access.context, shop)
            if dry_run:
                print_preview(draft, words=words(language_of(lang)))
                return
            with shown_where_refused(draft, lang):
                begun = await going_live.go_live(access.context, shop, draft, by=me(), approved=approve)
            if begun is not None:
                begun = await prepared(access.redis, shop.org, begun)
        _tell(begun, draft, shop)

    run(work())


def _tell(begun: Run | None, draft: Draft, shop: Shop) -> None:
    console().print(f"Shop {shop.org} is out of shadow mode: what is decided is written.")
    if draft.parent:
        tell_run(begun, draft, shop)
    else:
        console().print(f"It has no rules yet. Publish some: tagger rules publish {shop.org} FILE")
