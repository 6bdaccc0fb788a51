"""`tagger dead-letters`: customers that could not be brought right, and what to do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.access import AsJson, Customer, Org, customer_id, opened, org_id, run
from deploy.cli.output import console, moment, print_json, print_table

if TYPE_CHECKING:
    from service.store.deadletters import DeadLetter

app = typer.Typer(
    help="Customers that could not be brought right: list, try again, drop.", no_args_is_help=True
)


@app.command("list")
def list_letters(org: Org, as_json: AsJson = False) -> None:
    """Every open dead letter, the oldest first. Exits with 1 when there are any."""
    from service.store import deadletters

    async def work() -> int:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            letters = await deadletters.open_letters(access.redis, shop.org)
        if as_json:
            print_json([_row(each) for each in letters])
        else:
            print_table(
                ("customer", "cause", ">times", "since", "last", "what happened"),
                [
                    (
                        each.customer,
                        each.cause,
                        each.count,
                        moment(each.first_ms),
                        moment(each.last_ms),
                        each.text,
                    )
                    for each in letters
                ],
                empty="No open dead letter.",
            )
        return 1 if letters else 0

    raise typer.Exit(run(work()))


@app.command()
def retry(
    org: Org,
    customers: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CUSTOMER]...", help="Customer ids; all of them by default."),
    ] = None,
) -> None:
    """Look at these customers again; a success closes their letters."""
    from service.store import deadletters

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            chosen = [customer_id(each) for each in customers or ()]
            if not chosen:
                letters = await deadletters.open_letters(access.redis, shop.org)
                chosen = sorted({each.customer for each in letters})
            await deadletters.retry(access.redis, shop.org, chosen)
        console().print(
            f"{len(chosen)} {'customer is' if len(chosen) == 1 else 'customers are'} looked at again."
        )

    run(work())


@app.command()
def drop(org: Org, customer: Customer) -> None:
    """Close a customer's letters without doing anything."""
    from service.store import deadletters

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            await deadletters.drop(access.redis, shop.org, customer_id(customer))
        console().print(f"The dead letters of customer {customer} are closed.")

    run(work())


def _row(letter: DeadLetter) -> dict[str, object]:
    return {
        "customer": letter.customer,
        "cause": letter.cause,
        "text": letter.text,
        "count": letter.count,
        "first_ms": letter.first_ms,
        "last_ms": letter.last_ms,
        "transient": letter.transient,
    }
