"""`tagger explain`: why a customer has a tag or does not, and when this will change by itself."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from deploy.cli.context import (
    AsJson,
    Customer,
    Org,
    open_context,
    run,
)
from deploy.cli.inputs import parse_date
from deploy.cli.output import print_json
from deploy.cli.wording import translator
from deploy.local import console


def explain(
    org: Org,
    customer: Customer,
    tag: Annotated[str, typer.Option(help="Only this tag.")] = "",
    on: Annotated[
        date | None,
        typer.Option(
            metavar="2026-12-01",
            parser=parse_date,
            help="Explain the state on this day, if nothing else happens.",
        ),
    ] = None,
    version: Annotated[int, typer.Option(help="Use this version of the rules. Default: the live one.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Explain why a customer has or does not have a tag, who owns each tag, and what we wrote. Makes no API call."""
    from service.operations import explain_for_shop

    async def work() -> None:
        async with open_context() as cli:
            explanation = await explain_for_shop(
                cli.context,
                await cli.shops.get_or_raise(org),
                customer,
                on=on,
                version=version,
            )
        sentences = translator()
        if as_json:
            print_json(explanation.to_dict(words=sentences, tag=tag))
        else:
            for line in explanation.to_lines(words=sentences, tag=tag):
                console().print(line, soft_wrap=True)

    run(work())
