"""`tagger explain`: why a customer has a tag or does not, and when this will change by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.cli.context import (
    AsJson,
    Customer,
    Org,
    open_context,
    parse_customer_id,
    parse_org_id,
    run,
)
from deploy.cli.inputs import Lang, parse_date
from deploy.cli.output import print_json
from deploy.local import console


def explain(
    org: Org,
    customer: Customer,
    tag: Annotated[str, typer.Option(help="Only this tag.")] = "",
    on: Annotated[
        str,
        typer.Option(metavar="2026-12-01", help="Explain the state on this day, if nothing else happens."),
    ] = "",
    version: Annotated[int, typer.Option(help="Use this version of the rules. Default: the live one.")] = 0,
    lang: Lang = "vi",
    as_json: AsJson = False,
) -> None:
    """Explain why a customer has or does not have a tag, who owns each tag, and what we wrote. Makes no API call."""
    from service.locales import parse_language, translator_for
    from service.operations import explain_for_shop

    async def work() -> None:
        async with open_context() as cli:
            explanation = await explain_for_shop(
                cli.context,
                await cli.shops.get_or_raise(parse_org_id(org)),
                parse_customer_id(customer),
                on=parse_date(on) if on else None,
                version=version,
            )
        sentences = translator_for(parse_language(lang))
        if as_json:
            print_json(explanation.to_dict(words=sentences, tag=tag))
        else:
            for line in explanation.to_lines(words=sentences, tag=tag):
                console().print(line, soft_wrap=True)

    run(work())
