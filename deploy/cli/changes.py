"""`tagger customers create|update|delete|tag|untag`: the calls that change a customer, as a person would by hand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deploy.cli.access import AsJson, Customer, Org, customer_id, run
from deploy.cli.api import api_of
from deploy.cli.fields import read_fields
from deploy.cli.output import console, print_json
from deploy.cli.records import ShowPersonal, print_record

Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="A field of the record; again for more. A value may be JSON."
    ),
]
FieldsFile = Annotated[
    str,
    typer.Option(
        "--file", metavar="FILE", help="Fields as a JSON object, - for stdin: the way for personal data."
    ),
]
Tags = Annotated[list[str], typer.Argument(metavar="TAG...", help="One tag or more.")]


def add_to(app: typer.Typer) -> None:
    """Put these commands into `tagger customers`."""
    for command in (create, update, delete, tag, untag):
        app.command()(command)


def create(
    org: Org,
    fields: Fields = None,
    file: FieldsFile = "",
    show_personal: ShowPersonal = False,
    as_json: AsJson = False,
) -> None:
    """Make a customer."""
    wanted = read_fields(fields or (), file)

    async def work() -> dict[str, Any]:
        async with api_of(org) as api:
            return await api.perform(api.dialect.create(wanted))

    print_record(run(work()), as_json=as_json, show_personal=show_personal)


def update(
    org: Org,
    customer: Customer,
    fields: Fields = None,
    file: FieldsFile = "",
    show_personal: ShowPersonal = False,
    as_json: AsJson = False,
) -> None:
    """Change fields of a customer."""
    chosen, wanted = customer_id(customer), read_fields(fields or (), file)

    async def work() -> dict[str, Any]:
        async with api_of(org) as api:
            return await api.perform(api.dialect.update(chosen, wanted))

    print_record(run(work()), as_json=as_json, show_personal=show_personal)


def delete(
    org: Org, customer: Customer, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Delete a customer in Haravan. There is no way back."""
    chosen = customer_id(customer)
    if not yes:
        typer.confirm(f"Delete customer {chosen} of shop {org} in Haravan?", abort=True, err=True)

    async def work() -> None:
        async with api_of(org) as api:
            await api.perform(api.dialect.delete(chosen))

    run(work())
    console().print(f"Customer {chosen} is deleted.")


def tag(org: Org, customer: Customer, tags: Tags, as_json: AsJson = False) -> None:
    """Put tags on a customer by hand: they are not ours, no rule takes them away unless it owns all copies."""
    _retag(org, customer, add=tags, as_json=as_json)


def untag(org: Org, customer: Customer, tags: Tags, as_json: AsJson = False) -> None:
    """Take tags off a customer by hand. A tag comes back while its rule matches."""
    _retag(org, customer, remove=tags, as_json=as_json)


def _retag(
    org: str, customer: str, *, add: list[str] | None = None, remove: list[str] | None = None, as_json: bool
) -> None:
    chosen = customer_id(customer)

    async def work() -> tuple[str, ...]:
        async with api_of(org) as api:
            return await api.perform(api.dialect.change_tags(chosen, add=add or (), remove=remove or ()))

    tags = run(work())
    if as_json:
        print_json({"customer": chosen, "tags": tags})
    else:
        console().print(f"Customer {chosen} has now: {', '.join(tags) or 'no tags'}")
