"""`tagger rules history|diff`: which rules there were, and what differs between them."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.cli.access import AsJson, Org, opened, org_id, run
from deploy.cli.language import Lang, Language
from deploy.cli.output import console, moment, print_json, print_table


def add_to(app: typer.Typer) -> None:
    """Put these commands into `tagger rules`."""
    for command in (history, diff):
        app.command()(command)


def history(org: Org, as_json: AsJson = False) -> None:
    """Every version, the newest first: who, when, why, and what its preview said. Equal contents are equal rules."""
    import msgspec

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            found = await access.versions.history(shop.org)
        if as_json:
            print_json([msgspec.to_builtins(one) for one in found])
            return
        rows = []
        for at, one in enumerate(found):
            shown = one.preview or {}
            counts = (f"+{shown.get('added', 0)}", f"−{shown.get('removed', 0)}") if shown else ("", "")
            rows.append(
                (
                    f"v{one.number}{' live' if not at else ''}",
                    moment(one.at_ms),
                    one.author,
                    one.note,
                    *counts,
                    one.content[:12],
                )
            )
        print_table(
            ("version", "when", "by", "note", ">added", ">removed", "content"),
            rows,
            empty=f"Shop {org} has no rules yet.",
        )

    run(work())


def diff(
    org: Org,
    first: Annotated[int, typer.Argument(metavar="[FROM]", help="A version; by default the one before.")] = 0,
    second: Annotated[int, typer.Argument(metavar="[TO]", help="A version; by default the live one.")] = 0,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="As YAML, unified.")] = False,
    lang: Lang = Language.VI,
) -> None:
    """What differs between two versions, rule by rule, in sentences or as YAML."""
    from service.domain.differences import in_words, in_yaml
    from service.errors import NotFound
    from service.locales import language_of, words

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            to = second or await access.versions.live_number(shop.org)
            came_from = first or to - 1
            if to < 1 or came_from < 1:
                raise NotFound(f"shop {org} has no two versions to compare; see: tagger rules history {org}")
            before = await access.versions.document(shop.org, came_from)
            after = await access.versions.document(shop.org, to)
        if as_yaml:
            typer.echo(in_yaml(before, after, names=(f"v{came_from}", f"v{to}")), nl=False)
            return
        for line in in_words(before, after, words=words(language_of(lang))):
            console().print(line, soft_wrap=True)

    run(work())
