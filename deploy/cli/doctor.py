"""`tagger doctor`: looks at everything that must be right, and says of each thing that is not what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.access import AsJson, opened, org_id, run
from deploy.cli.output import console, print_json

if TYPE_CHECKING:
    from deploy.examination import Finding


def doctor(
    org: Annotated[str, typer.Argument(metavar="[ORG]", help="Only this shop; all of them by default.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check store, workers, and each shop's token, rules, webhooks and backlog. Exits with 1 on problems."""

    from deploy.examination import Finding, examine_shop, examine_store

    async def work() -> list[Finding]:
        async with opened() as access:
            found = await examine_store(access)
            orgs = [org_id(org)] if org else await access.shops.orgs()
            for each in orgs:
                found += await examine_shop(access, each)
            if not orgs:
                found.append(
                    Finding("problem", "shops", "there is no shop yet; add one: tagger shops add ORG")
                )
            return found

    findings = run(work())
    if as_json:
        print_json([{"level": each.level, "about": each.about, "text": each.text} for each in findings])
    else:
        for each in findings:
            _print(each)
    raise typer.Exit(1 if any(each.level == "problem" for each in findings) else 0)


def _print(finding: Finding) -> None:
    from rich.text import Text

    sign, style = {"good": ("✔", "green"), "note": ("·", "yellow"), "problem": ("✘", "bold red")}[
        finding.level
    ]
    console().print(
        Text.assemble((f"{sign} ", style), (f"{finding.about:<12}", "bold"), finding.text), soft_wrap=True
    )
