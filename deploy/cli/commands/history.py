"""`tagger rules history|diff`: list the versions of a shop's rules, and compare two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, Org, open_context, run
from deploy.cli.output import format_time, print_json, print_table
from deploy.cli.preview_text import print_warnings
from deploy.cli.wording import headings, translate, translator
from deploy.local import console
from service.sentence import Sentence

if TYPE_CHECKING:
    from service.publishing import rollout
    from service.store.rules import Version


def add_to(app: typer.Typer) -> None:
    """Add these commands to `tagger rules`."""
    for command in (history, diff):
        app.command()(command)


def history(org: Org, as_json: AsJson = False) -> None:
    """List all versions, newest first, with author, note, the preview that the author saw, and what was written since.

    Versions with the same content have the same rules.
    """
    import msgspec

    from service.publishing import rollout
    from service.store.rules import describe_note

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            versions = await cli.versions.history(shop.org)
            effects = await rollout.load_effects(cli.redis, shop.org)
        if as_json:
            print_json(
                [
                    msgspec.to_builtins(version)
                    | {"written": msgspec.to_builtins(effects.get(version.number))}
                    for version in versions
                ]
            )
            return
        print_table(
            headings("version", "when", "by", "note", ">expected", ">written", "content"),
            [
                (
                    f"v{version.number}{'' if index else translate(' (live)')}",
                    format_time(version.at_ms, shop.timezone),
                    version.author,
                    describe_note(version.note, translator()),
                    _expected(version),
                    _written(effects.get(version.number)),
                    version.content[:12],
                )
                for index, version in enumerate(versions)
            ],
            empty=translate("Shop {org} has no rules yet.", org=org),
        )

    run(work())


def _expected(version: Version) -> str:
    """The tags of the preview. Nothing before the first look: no customer was known then."""
    shown = version.preview or {}
    return _change(shown["added"], shown["removed"]) if shown.get("customers") else ""


def _written(effect: rollout.Effect | None) -> str:
    if effect is None:
        return ""
    change = _change(effect.added, effect.removed)
    if not effect.remaining:
        return change
    customers = translator().plural("customers", effect.remaining)
    return translate("{change}, {customers} to go", change=change, customers=customers)


def _change(added: int, removed: int) -> str:
    words = translator()
    return f"+{words.number(added)} −{words.number(removed)}"


def diff(
    org: Org,
    before: Annotated[
        int, typer.Argument(metavar="[FROM]", help="A version. Default: the one before TO.")
    ] = 0,
    after: Annotated[int, typer.Argument(metavar="[TO]", help="A version. Default: the live one.")] = 0,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print a unified diff of the YAML.")] = False,
) -> None:
    """Compare two versions, rule by rule, in sentences or as YAML. Of the live one: also the tags that stay behind."""
    from service.domain.preview import describe_changes, yaml_diff
    from service.errors import NotFound
    from service.publishing import draft_live_rules

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            live = await cli.versions.live_number(shop.org)
            to = after or live
            start = before or to - 1
            if to < 1 or start < 1:
                raise NotFound(
                    Sentence(
                        "shop {org} does not have two versions to compare; see: tagger rules history {org}",
                        org=org,
                    )
                )
            rules_before = await cli.versions.document(shop.org, start)
            rules_after = await cli.versions.document(shop.org, to)
            draft = await draft_live_rules(cli.context, shop) if to == live and not as_yaml else None
        if as_yaml:
            typer.echo(yaml_diff(rules_before, rules_after, names=(f"v{start}", f"v{to}")), nl=False)
            return
        words = translator()
        for line in describe_changes(rules_before, rules_after, translator=words):
            console().print(line)
        if draft is not None:
            print_warnings(draft, kinds=frozenset({"leftover"}))

    run(work())
