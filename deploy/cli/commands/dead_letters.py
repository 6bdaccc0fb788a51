"""`tagger dead-letters`: customers that could not be processed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, CustomerId, Org, open_context, parse_customer_id, run
from deploy.cli.inputs import current_actor
from deploy.cli.output import format_time, print_json, print_note, print_sentence, print_table
from deploy.cli.wording import deferred, headings, translate, translator
from service.sentence import Sentence

if TYPE_CHECKING:
    from service.operations import LetterFilter
    from service.store.queue import DeadLetter

app = typer.Typer(help="Customers that could not be processed: list, retry, drop.", no_args_is_help=True)
NO_LETTERS = deferred("No open dead letters.")
NO_LETTERS_OF_CAUSE = deferred("No open dead letters of this cause.")
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
                headings("customer", "cause", ">times", "since", "last", "what happened"),
                [
                    (
                        letter.customer,
                        letter.cause,
                        letter.count,
                        format_time(letter.first_ms, shop.timezone),
                        format_time(letter.last_ms, shop.timezone),
                        letter.text,
                    )
                    for letter in letters
                ],
                empty=translate("No open dead letters."),
            )
        return 1 if letters else 0

    raise typer.Exit(run(work()))


@app.command()
def groups(org: Org, as_json: AsJson = False) -> None:
    """Group the open dead letters by cause, with the likely fix. Exits with 1 if there are any."""
    from service.operations import LetterFilter, find_letters, group_letters

    async def work() -> int:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            letters = await find_letters(cli.redis, shop.org, LetterFilter())
        found = group_letters(letters, words=translator())
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
                headings(">customer", "cause", "last", "what happened", "what helps"),
                [
                    (
                        len(group.letters),
                        group.cause,
                        format_time(group.last_ms, shop.timezone),
                        group.text,
                        group.fix,
                    )
                    for group in found
                ],
                empty=translate("No open dead letters."),
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
            print_sentence("{customers} queued.", customers=translator().plural("customers", len(retried)))
        elif not customers:
            print_sentence(NO_LETTERS_OF_CAUSE if cause else NO_LETTERS)
        without = sorted({*(customers or ())} - {*retried})
        for customer in without:
            print_note("Customer {customer} has no open dead letter.", customer=customer)
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
        raise UsageError(Sentence("say which dead letters: customers, or --cause"))

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            dropped = await drop_dead_letters(
                cli.context, shop.org, _filter(customers, cause), by=current_actor(), reason=reason
            )
        closed = translator().plural("customers", len(dropped))
        print_sentence("Dead letters were closed: {customers}.", customers=closed)

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
