"""`tagger dead-letters`: customers that could not be processed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, CustomerId, Org, open_context, parse_customer_id, run
from deploy.cli.inputs import current_actor
from deploy.cli.output import format_time, plural, print_json, print_table
from deploy.local import console, error_console

if TYPE_CHECKING:
    from service.operations import LetterFilter
    from service.store.queue import DeadLetter

app = typer.Typer(help="Customers that could not be processed: list, retry, drop.", no_args_is_help=True)
Customers = Annotated[
    list[CustomerId] | None,
    typer.Argument(metavar="[CUSTOMER]...", parser=parse_customer_id, help="Customer ids. Default: all."),
]
Cause = Annotated[str, typer.Option(help="Only letters of this cause, such as rejected; see `groups`.")]


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
def groups(org: Org, as_json: AsJson = False) -> None:
    """Group the open dead letters by cause, with the likely fix. Exits with 1 if there are any."""
    from service.locales import translator_for
    from service.operations import LetterFilter, find_letters, group_letters

    async def work() -> int:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            letters = await find_letters(cli.redis, shop.org, LetterFilter())
        found = group_letters(letters, words=translator_for("en"))
        if as_json:
            print_json(
                [
                    {
                        "customers": len(group.letters),
                        "cause": group.cause,
                        "last_ms": group.last_ms,
                        "text": group.text,
                        "fix": group.fix,
                    }
                    for group in found
                ]
            )
        else:
            print_table(
                (">customers", "cause", "last", "what happened", "what helps"),
                [
                    (len(group.letters), group.cause, format_time(group.last_ms), group.text, group.fix)
                    for group in found
                ],
                empty="No open dead letters.",
            )
        return 1 if found else 0

    raise typer.Exit(run(work()))


@app.command()
def retry(org: Org, customers: Customers = None, cause: Cause = "") -> None:
    """Process these customers again. A success closes their dead letters. Exits with 1 if one has no dead letter."""
    from service.operations import retry_dead_letters

    async def work() -> int:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            retried = await retry_dead_letters(
                cli.context, shop.org, _filter(customers, cause), by=current_actor()
            )
        if retried:
            console().print(f"{plural(len(retried), 'customer')} queued.")
        elif not customers:
            console().print("No open dead letters." if not cause else "No open dead letters of this cause.")
        without = sorted({*(customers or ())} - {*retried})
        for customer in without:
            error_console().print(f"Customer {customer} has no open dead letter.")
        return 1 if without else 0

    raise typer.Exit(run(work()))


@app.command()
def drop(
    org: Org,
    customers: Customers = None,
    cause: Cause = "",
    reason: Annotated[
        str, typer.Option(help="Why. The audit log keeps it: write no customer's name.", show_default=False)
    ] = ...,  # type: ignore[assignment]
) -> None:
    """Close the dead letters of these customers, or of a cause, without processing the customers."""
    from deploy.cli.exit_codes import UsageError
    from service.operations import drop_dead_letters

    if not customers and not cause:
        raise UsageError("say which dead letters: customers, or --cause")

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            dropped = await drop_dead_letters(
                cli.context, shop.org, _filter(customers, cause), by=current_actor(), reason=reason
            )
        console().print(f"The dead letters of {plural(len(dropped), 'customer')} are closed.")

    run(work())


def _filter(customers: Sequence[CustomerId] | None, cause: str) -> LetterFilter:
    from service.operations import LetterFilter

    return LetterFilter(cause=cause, customers=frozenset(customers) if customers else None)


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
