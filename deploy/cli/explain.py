"""`tagger explain`: why a customer has a tag, or does not, and when that changes by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.cli.access import AsJson, Customer, Org, customer_id, now_ms, opened, org_id, run
from deploy.cli.language import Lang, Language
from deploy.cli.moments import day
from deploy.cli.output import console, print_json


def explain(
    org: Org,
    customer: Customer,
    tag: Annotated[str, typer.Option(help="Only this tag.")] = "",
    on: Annotated[
        str, typer.Option(metavar="2026-12-01", help="As it will be on that day, if nothing happens.")
    ] = "",
    version: Annotated[int, typer.Option(help="By this version of the rules; the live one by default.")] = 0,
    lang: Lang = Language.VI,
    as_json: AsJson = False,
) -> None:
    """Say why a customer has a tag or not, whose each tag is, what is missing, and what we wrote. Asks Haravan nothing."""
    from service.locales import language_of, words
    from service.store.explaining import explain as explain_customer

    async def work() -> None:
        async with opened() as access:
            told = await explain_customer(
                access.redis,
                await access.shops.require(org_id(org)),
                customer_id(customer),
                versions=access.versions,
                now_ms=await now_ms(access),
                on=day(on) if on else None,
                number=version,
            )
        said = words(language_of(lang))
        if as_json:
            print_json(told.data(words=said, tag=tag))
        else:
            for line in told.lines(words=said, tag=tag):
                console().print(line, soft_wrap=True)

    run(work())
