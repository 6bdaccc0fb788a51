"""`tagger rules check|show`. `language`, `publishing`, `scheduled`, `history` and `claims` add the other commands of the group."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands import claims, history, language, publishing, scheduled
from deploy.cli.context import AsJson, Org, OrgId, open_context, parse_org_id, run
from deploy.cli.inputs import RulesFiles, read_rules_file
from deploy.cli.output import print_json, print_note
from deploy.cli.wording import translator
from deploy.local import console
from service.sentence import Sentence

if TYPE_CHECKING:
    from service.domain.rules import RuleSet
    from service.publishing import Draft

app = typer.Typer(
    help="Rules: check, preview, publish, schedule, compare and roll back.", no_args_is_help=True
)


@app.command()
def check(
    files: RulesFiles,
    org: Annotated[
        OrgId | None,
        typer.Option(
            metavar="ORG",
            parser=parse_org_id,
            help="Also compare with the live rules and customers of this shop.",
        ),
    ] = None,
) -> None:
    """Check rules files. Prints every error with line and column, and warnings. Without --org it needs no Redis."""
    failures = 0
    for file in files:
        try:
            _check(file, org)
        except typer.Exit:  # its errors are printed
            failures += 1
    if failures:
        raise typer.Exit(1)


def _check(file: Path, org: OrgId | None) -> None:
    import time

    from service.domain.engine import compile_rules
    from service.domain.preview import describe_warning, lint, lint_own_spellings

    rule_set, words = read_rules_file(file), translator()
    compiled = compile_rules(rule_set)
    warnings = (
        run(_create_draft(org, rule_set)).report.warnings
        if org
        else (
            *lint(compiled, today=compiled.local_day(int(time.time() * 1000))),
            *lint_own_spellings(compiled),
        )
    )
    rules, tiers = words.plural("rules", len(rule_set.rules)), words.plural("tiers", len(rule_set.tiers))
    console().print(words("check.done", file=file, rules=rules, tiers=tiers))
    for warning in warnings:
        console().print(f"⚠ {describe_warning(warning, translator=words, compiled=compiled)}")


@app.command()
def show(
    org: Org,
    version: Annotated[int, typer.Option(help="The version. Default: the live one.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Print the rules of a shop as YAML: the live version or an earlier one."""
    from service.domain.documents import to_yaml
    from service.errors import NotFound

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            number = version or await cli.versions.live_number(shop.org)
            if not number:
                raise NotFound(
                    Sentence(
                        "shop {org} has no rules yet; publish rules: tagger rules publish {org} FILE", org=org
                    )
                )
            stored = await cli.versions.get(shop.org, number)
            rule_set = await cli.versions.document(shop.org, number)
        if as_json:
            print_json(
                {
                    "number": stored.number,
                    "content": stored.content,
                    "author": stored.author,
                    "note": stored.note,
                    "at_ms": stored.at_ms,
                    "rules": rule_set.model_dump(by_alias=True),
                }
            )
            return
        note = f" ({stored.note})" if stored.note else ""
        print_note(
            "# version {number} by {author}{note}", number=stored.number, author=stored.author, note=note
        )
        typer.echo(to_yaml(rule_set), nl=False)

    run(work())


for group in (language, publishing, scheduled, history, claims):
    group.add_to(app)


async def _create_draft(org: OrgId, rule_set: RuleSet) -> Draft:
    from service.publishing import create_draft

    async with open_context() as cli:
        return await create_draft(cli.context, await cli.shops.get_or_raise(org), rule_set)
