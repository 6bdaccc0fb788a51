"""`tagger rules history|diff`: list the versions of a shop's rules, and compare two of them."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.cli.context import AsJson, Org, open_context, run
from deploy.cli.inputs import Lang
from deploy.cli.output import format_time, print_json, print_table
from deploy.cli.preview_text import print_warnings
from deploy.local import console


def add_to(app: typer.Typer) -> None:
    """Add these commands to `tagger rules`."""
    for command in (history, diff):
        app.command()(command)


def history(org: Org, as_json: AsJson = False) -> None:
    """List all versions, newest first, with author, note and the numbers of the preview.

    Versions with the same content have the same rules.
    """
    import msgspec

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            versions = await cli.versions.history(shop.org)
        if as_json:
            print_json([msgspec.to_builtins(version) for version in versions])
            return
        rows = []
        for index, version in enumerate(versions):
            shown = version.preview or {}
            counts = (f"+{shown.get('added', 0)}", f"−{shown.get('removed', 0)}") if shown else ("", "")
            rows.append(
                (
                    f"v{version.number}{' live' if not index else ''}",
                    format_time(version.at_ms),
                    version.author,
                    version.note,
                    *counts,
                    version.content[:12],
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
    before: Annotated[
        int, typer.Argument(metavar="[FROM]", help="A version. Default: the one before TO.")
    ] = 0,
    after: Annotated[int, typer.Argument(metavar="[TO]", help="A version. Default: the live one.")] = 0,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print a unified diff of the YAML.")] = False,
    lang: Lang = "vi",
) -> None:
    """Compare two versions, rule by rule, in sentences or as YAML. Of the live one: also the tags that stay behind."""
    from service.domain.preview import describe_changes, yaml_diff
    from service.errors import NotFound
    from service.locales import parse_language, translator_for
    from service.publishing import draft_live_rules

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            live = await cli.versions.live_number(shop.org)
            to = after or live
            start = before or to - 1
            if to < 1 or start < 1:
                raise NotFound(
                    f"shop {org} does not have two versions to compare; see: tagger rules history {org}"
                )
            rules_before = await cli.versions.document(shop.org, start)
            rules_after = await cli.versions.document(shop.org, to)
            draft = await draft_live_rules(cli.context, shop) if to == live and not as_yaml else None
        if as_yaml:
            typer.echo(yaml_diff(rules_before, rules_after, names=(f"v{start}", f"v{to}")), nl=False)
            return
        words = translator_for(parse_language(lang))
        for line in describe_changes(rules_before, rules_after, translator=words):
            console().print(line)
        if draft is not None:
            print_warnings(draft, words=words, kinds=frozenset({"leftover"}))

    run(work())
