"""`tagger rules`: check a file, show what is live; the other commands are beside this module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli import claims, history, publishing
from deploy.cli.access import AsJson, Org, opened, org_id, run
from deploy.cli.language import Lang, Language
from deploy.cli.output import console, counted, errors, print_json
from deploy.cli.rules_file import File, read

if TYPE_CHECKING:
    from service.domain.rules import RuleSet

app = typer.Typer(
    help="The rules: check a file, see what it would do, publish, look back, undo.", no_args_is_help=True
)


@app.command()
def check(file: File, lang: Lang = Language.VI) -> None:
    """Check a rules file: every error with its line and column, and what can hardly be meant. Needs no store."""
    rule_set = read(file)
    console().print(f"{file}: {_counted(rule_set)}, no errors.")
    for line in _warnings(rule_set, lang):
        console().print(f"⚠ {line}", soft_wrap=True)


@app.command()
def show(
    org: Org,
    version: Annotated[int, typer.Option(help="A version's number; the live one by default.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Print the rules of a shop as YAML: what is live, or an earlier version."""
    from service.errors import NotFound

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            number = version or await access.versions.live_number(shop.org)
            if not number:
                raise NotFound(f"shop {org} has no rules yet; publish some: tagger rules publish {org} FILE")
            found = await access.versions.get(shop.org, number)
            rule_set = await access.versions.document(shop.org, number)
        if as_json:
            print_json(
                {
                    "number": found.number,
                    "content": found.content,
                    "author": found.author,
                    "note": found.note,
                    "at_ms": found.at_ms,
                    "rules": rule_set.model_dump(by_alias=True),
                }
            )
            return
        errors().print(f"# version {found.number} by {found.author}", found.note and f"({found.note})")
        typer.echo(_yaml(rule_set), nl=False)

    run(work())


for group in (publishing, history, claims):
    group.add_to(app)


def _warnings(rule_set: RuleSet, lang: Language) -> list[str]:
    import time

    from service.domain.compilation import compile_rules
    from service.domain.warnings import say_warning, warn
    from service.locales import language_of, words

    compiled, said = compile_rules(rule_set), words(language_of(lang))
    today = compiled.day_of(int(time.time() * 1000))
    return [say_warning(one, words=said, compiled=compiled) for one in warn(compiled, today=today)]


def _yaml(rule_set: RuleSet) -> str:
    from service.domain.writing import dump_yaml

    return dump_yaml(rule_set)


def _counted(rule_set: RuleSet) -> str:
    return f"{counted(len(rule_set.rules), 'rule')} and {counted(len(rule_set.tiers), 'tier group')}"
