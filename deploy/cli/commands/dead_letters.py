"""`tagger dead-letters`: customers that could not be processed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, Customer, CustomerId, Org, open_context, parse_customer_id, run
from deploy.cli.inputs import current_actor
from deploy.cli.output import format_time, plural, print_json, print_table
from deploy.local import console, error_console

if TYPE_CHECKING:
    from service.store.queue import DeadLetter

app = typer.Typer(help="Customers that could not be processed: list, retry, discard.", no_args_is_help=True)


@app.command("list")
def list_dead_letters(org: Org, as_json: AsJson = False) -> None:
    """List all open dead letters, oldest first. Exits with 1 if there are any."""
    from service.store.queue import dead_letters

    async def work() -> int:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            letters = await dead_letters.list_open(cli.redis, shop.org)
        if as_json:
            print_json([_row(letter) for letter in letters])
        else:
            print_table(
                ("customer", "cause", ">times", "since", "last", "what happened"),
                [
                    (
                        letter.customer,
                        letter.cause,
                        letter.count,
                        format_time(letter.first_ms),
                        format_time(letter.last_ms),
                        letter.text,
                    )
                    for letter in letters
                ],
                empty="No open dead letters.",
            )
        return 1 if letters else 0

    raise typer.Exit(run(work()))


@app.command()
def retry(
    org: Org,
    customers: Annotated[
        list[CustomerId] | None,
        typer.Argument(metavar="[CUSTOMER]...", parser=parse_customer_id, help="Customer ids. Default: all."),
    ] = None,
) -> None:
    """Process these customers again. A success closes their dead letters. Exits with 1 if one has no dead letter."""
    from service.operations import retry_dead_letters

    async def work() -> int:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            retried = await retry_dead_letters(
                cli.context, shop.org, customers=customers or None, by=current_actor()
            )
        if retried:
            console().print(f"{plural(len(retried), 'customer')} queued.")
        elif not customers:
            console().print("No open dead letters.")
        without = sorted({*(customers or ())} - {*retried})
        for customer in without:
            error_console().print(f"Customer {customer} has no open dead letter.")
        return 1 if without else 0

    raise typer.Exit(run(work()))


@app.command()
def drop(org: Org, customer: Customer) -> None:
    """Close a customer's dead letters without processing it."""
    from service.operations import discard_dead_letters

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            await discard_dead_letters(cli.context, shop.org, customer, by=current_actor())
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
