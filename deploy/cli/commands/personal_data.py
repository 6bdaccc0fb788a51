"""`tagger customers export|erase`: what the service stores of one customer, for a person who asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.context import AsJson, Customer, Org, open_context, run
from deploy.cli.inputs import current_actor
from deploy.cli.output import print_json, print_note, print_sentence
from deploy.cli.wording import translate

if TYPE_CHECKING:
    from service.operations import Erasure


def add_to(app: typer.Typer) -> None:
    """Add these commands to `tagger customers`."""
    for command in (export, erase):
        app.command()(command)


def export(org: Org, customer: Customer) -> None:
    """Print everything that is stored of a customer as JSON, unmasked. Also for an id that Haravan no longer has."""
    from service.operations import export_personal_data

    async def work() -> dict[str, Any]:
        async with open_context() as cli:
            shop = await cli.shops.describe(org)
            return await export_personal_data(cli.context, shop, customer, by=current_actor())

    print_json(run(work()))


def erase(
    org: Org,
    customer: Customer,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase everything that is stored of a customer. Nothing changes in Haravan.

    Exits with 1 if a server of the store, such as a replica, does not answer: its files still have the data.
    """
    from service.operations import erase_personal_data
    from service.store.topology import load_rewrite_state

    async def work() -> tuple[Erasure, tuple[str, ...]]:
        async with open_context() as cli:
            shop = await cli.shops.describe(org)
            print_note(
                "This erases everything stored of customer {customer}: the tags that are ours, exclusions, history. Tags in "
                "Haravan stay and count as added by hand. While Haravan has the customer, the next webhook or scan stores "
                "it again: to stop that, delete it there first.",
                customer=customer,
            )
            question = translate("Type {what} to confirm", what=customer)
            if not yes and typer.prompt(question, err=True) != str(customer):
                print_sentence("Nothing was erased.")
                raise typer.Exit(1)
            erasure = await erase_personal_data(cli.context, shop, customer, by=current_actor())
            return erasure, (await load_rewrite_state(cli.redis)).away

    erasure, unreached = run(work())
    if as_json:
        import msgspec

        print_json({**msgspec.to_builtins(erasure), "unreached_servers": unreached})
    else:
        _print_erasure(erasure, unreached)
    if unreached:
        raise typer.Exit(1)


def _print_erasure(erasure: Erasure, unreached: tuple[str, ...]) -> None:
    if not erasure.known and not erasure.ledger and not erasure.deliveries:
        print_sentence("Nothing was stored of customer {customer}.", customer=erasure.customer)
    else:
        print_sentence(
            "Customer {customer} was erased: tag writes: {ledger}, manual changes: {manual}, deliveries: {deliveries}. "
            "The bytes leave the disk within a day.",
            customer=erasure.customer,
            ledger=erasure.ledger,
            manual=erasure.manual_changes,
            deliveries=erasure.deliveries,
        )
    if erasure.remaining_deliveries:
        print_sentence(
            "Delivery records that are shared with other customers, and name the id until they expire (RETENTION_DAYS): "
            "{records}. They have no personal data.",
            records=erasure.remaining_deliveries,
        )
    if unreached:
        print_sentence(
            "These servers do not answer, and their files still have the data: {servers}. They are rewritten when they are "
            "back. If one has left for good, delete its files.",
            servers=", ".join(unreached),
        )
