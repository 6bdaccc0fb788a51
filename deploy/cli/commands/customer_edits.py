"""`tagger customers create|update|delete|tag|untag`: change customers in Haravan, as a person would by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.context import AsJson, Customer, CustomerId, Org, OrgId, open_shop_api, run
from deploy.cli.inputs import current_actor, read_fields
from deploy.cli.output import ShowPersonal, print_json, print_record, print_sentence
from deploy.cli.wording import translate
from service.sentence import Sentence

if TYPE_CHECKING:
    from deploy.cli.context import ShopApi

Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="A field of the record; can be repeated. The value may be JSON."
    ),
]
FieldsFile = Annotated[
    str,
    typer.Option(
        "--file",
        metavar="FILE",
        help="A file with the fields as a JSON object, - for stdin. Required for personal data.",
    ),
]
Tags = Annotated[list[str], typer.Argument(metavar="TAG...", help="One or more tags.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to `tagger customers`."""
    for command in (create, update, delete, tag, untag):
        app.command()(command)


def create(
    org: Org,
    fields: Fields = None,
    file: FieldsFile = "",
    show_personal: ShowPersonal = False,
    as_json: AsJson = False,
) -> None:
    """Create a customer."""
    wanted = read_fields(fields or (), file)

    async def work() -> dict[str, Any]:
        async with _open_recorded(
            org, "create_customer", Sentence("fields {fields}", fields=_names(wanted))
        ) as api:
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
    wanted = read_fields(fields or (), file)

    async def work() -> dict[str, Any]:
        summary = Sentence("customer {customer}: fields {fields}", customer=customer, fields=_names(wanted))
        async with _open_recorded(org, "update_customer", summary) as api:
            return await api.perform(api.dialect.update(customer, wanted))

    print_record(run(work()), as_json=as_json, show_personal=show_personal)


def delete(
    org: Org,
    customer: Customer,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete a customer in Haravan. This cannot be undone."""
    if not yes:
        question = translate(
            "Delete customer {customer} of shop {org} in Haravan?", customer=customer, org=org
        )
        typer.confirm(question, abort=True, err=True)

    async def work() -> None:
        async with _open_recorded(
            org, "delete_customer", Sentence("customer {customer}", customer=customer)
        ) as api:
            await api.perform(api.dialect.delete(customer))

    run(work())
    print_sentence("Customer {customer} is deleted.", customer=customer)


def tag(org: Org, customer: Customer, tags: Tags, as_json: AsJson = False) -> None:
    """Add tags by hand. They are not ours: no rule removes them unless it owns all copies."""
    _retag(org, customer, add=tags, as_json=as_json)


def untag(org: Org, customer: Customer, tags: Tags, as_json: AsJson = False) -> None:
    """Remove tags by hand. A tag returns if its rule still matches."""
    _retag(org, customer, remove=tags, as_json=as_json)


def _retag(
    org: OrgId,
    customer: CustomerId,
    *,
    add: list[str] | None = None,
    remove: list[str] | None = None,
    as_json: bool,
) -> None:
    async def work() -> tuple[str, ...]:
        changes = ", ".join([*(f"+{tag}" for tag in add or ()), *(f"-{tag}" for tag in remove or ())])
        summary = Sentence("customer {customer}: {changes}", customer=customer, changes=changes)
        async with _open_recorded(org, "tag_customer", summary) as api:
            return await api.perform(api.dialect.change_tags(customer, add=add or (), remove=remove or ()))

    tags = run(work())
    if as_json:
        print_json({"customer": customer, "tags": tags})
    else:
        named = ", ".join(tags) or translate("no tags")
        print_sentence("Customer {customer} now has: {tags}", customer=customer, tags=named)


def _names(fields: Iterable[str]) -> str:
    """The names of fields; their values may be personal data."""
    return ", ".join(sorted(fields))


@asynccontextmanager
async def _open_recorded(org: OrgId, action: str, summary: Sentence) -> AsyncIterator[ShopApi]:
    """Open the shop's API, and record the change that the block makes at Haravan."""
    from service.store.history import audit_log

    async with (
        open_shop_api(org) as api,
        audit_log.recorded(api.cli.redis, current_actor(), action, org=api.shop.org, summary=summary),
    ):
        yield api
