"""`tagger rules`: look at rules, check a file, publish it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.access import AsJson, Org, now_ms, opened, org_id, run
from deploy.cli.output import console, counted, errors, print_json
from deploy.cli.person import me
from deploy.cli.runs import told

if TYPE_CHECKING:
    from service.domain.rules import RuleSet

app = typer.Typer(help="The rules: check a file, show what is live, publish.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A rules document (YAML or JSON); - reads stdin.")]


@app.command()
def check(file: File) -> None:
    """Check a rules file: every error with its line and column. Needs neither store nor settings."""
    rule_set = read(file)
    console().print(f"{file}: {_counted(rule_set)}, no errors.")


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
                    "rules": rule_set.model_dump(mode="json", by_alias=True),
                }
            )
            return
        errors().print(f"# version {found.number} by {found.author}", found.note and f"({found.note})")
        typer.echo(_yaml(rule_set), nl=False)

    run(work())


@app.command()
def publish(
    org: Org,
    file: File,
    note: Annotated[str, typer.Option(help="Why: shown in the history.")] = "",
) -> None:
    """Check a rules file, make it the shop's rules, and look at every known customer again."""
    rule_set = read(file)

    async def work() -> None:
        from service.store import replays, runs

        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            parent = await access.versions.live_number(shop.org)
            version = await access.versions.publish(shop.org, rule_set, author=me(), note=note, parent=parent)
            console().print(f"Version {version.number} is live: {_counted(rule_set)}.")
            known = await replays.known_customers(access.redis, shop.org)
            if not known:
                console().print(f"No customer is known yet. Look at everybody: tagger backfill {org}")
                return
            started = await runs.start(
                access.redis,
                shop.org,
                sorted(known),
                kind="publish",
                by=me(),
                reason=f"version {version.number}",
                now_ms=await now_ms(access),
            )
            console().print(told(started))

    run(work())


def read(file: Path) -> RuleSet:
    """The rules in a file; prints every error and ends the command when there are any."""
    import sys

    from service.domain.parsing import parse_rules
    from service.domain.problems import BadRules

    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    try:
        return parse_rules(text)
    except BadRules as exc:
        for problem in exc.problems:
            errors().print(f"{file}: {problem}", markup=False, soft_wrap=True)
        errors().print(f"{file}: {len(exc.problems)} {'error' if len(exc.problems) == 1 else 'errors'}.")
        raise typer.Exit(1) from exc


def _yaml(rule_set: RuleSet) -> str:
    from service.domain.writing import dump_yaml

    return dump_yaml(rule_set)


def _counted(rule_set: RuleSet) -> str:
    return f"{counted(len(rule_set.rules), 'rule')} and {counted(len(rule_set.tiers), 'tier group')}"
