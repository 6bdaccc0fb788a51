"""`tagger rules check|show`. `publishing`, `history` and `claims` add the other commands of the group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands import claims, history, publishing
from deploy.cli.context import AsJson, Org, open_context, parse_org_id, run
from deploy.cli.inputs import Lang, RulesFile, read_rules_file
from deploy.cli.output import print_json, summary
from deploy.cli.preview_text import print_warnings
from deploy.local import console, error_console

if TYPE_CHECKING:
    from service.domain.explain import Language
    from service.domain.rules import RuleSet

app = typer.Typer(help="Rules: check, preview, publish, compare and roll back.", no_args_is_help=True)


@app.command()
def check(
    file: RulesFile,
    org: Annotated[
        str,
        typer.Option(
            "--org", metavar="ORG", help="Also compare with the live rules and customers of this shop."
        ),
    ] = "",
    lang: Lang = "vi",
) -> None:
    """Check a rules file. Prints every error with line and column, and warnings. Without --org it needs no Redis."""
    from service.locales import parse_language, translator_for
    from service.publishing import create_draft

    rule_set = read_rules_file(file)
    console().print(f"{file}: {summary(rule_set)}, no errors.")
    if not org:
        for line in _warnings(rule_set, lang):
            console().print(f"⚠ {line}")
        return

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(parse_org_id(org))
            draft = await create_draft(cli.context, shop, rule_set)
        print_warnings(draft, words=translator_for(parse_language(lang)))

    run(work())


@app.command()
def show(
    org: Org,
    version: Annotated[int, typer.Option(help="The version. Default: the live one.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Print the rules of a shop as YAML: the live version or an earlier one."""
    from service.errors import NotFound

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(parse_org_id(org))
            number = version or await cli.versions.live_number(shop.org)
            if not number:
                raise NotFound(f"shop {org} has no rules yet; publish rules: tagger rules publish {org} FILE")
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
        error_console().print(
            f"# version {stored.number} by {stored.author}", stored.note and f"({stored.note})"
        )
        typer.echo(_yaml(rule_set), nl=False)

    run(work())


for group in (publishing, history, claims):
    group.add_to(app)


def _warnings(rule_set: RuleSet, lang: Language) -> list[str]:
    import time

    from service.domain.engine import compile_rules
    from service.domain.preview import describe_warning, lint
    from service.locales import parse_language, translator_for

    compiled, sentences = compile_rules(rule_set), translator_for(parse_language(lang))
    today = compiled.local_day(int(time.time() * 1000))
    return [
        describe_warning(warning, translator=sentences, compiled=compiled)
        for warning in lint(compiled, today=today)
    ]


def _yaml(rule_set: RuleSet) -> str:
    from service.domain.documents import to_yaml

    return to_yaml(rule_set)
