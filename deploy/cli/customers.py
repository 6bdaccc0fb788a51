"""`tagger customers`: Haravan's customer API from the command line, paced, with personal data masked."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from deploy.cli import changes
from deploy.cli.access import AsJson, Customer, Org, customer_id, run
from deploy.cli.api import api_of
from deploy.cli.output import console, masked, print_json, print_table
from deploy.cli.records import ShowPersonal, print_raw, print_record, print_records

app = typer.Typer(
    help="The shop's customers, as Haravan has them. E-mail, phone and address are masked.",
    no_args_is_help=True,
)

Limit = Annotated[int, typer.Option(min=1, max=250, help="At most so many (today's API gives 50).")]


@app.command("list")
def list_customers(
    org: Org,
    ids: Annotated[str, typer.Option(metavar="1,2,3", help="Only these.")] = "",
    since_id: Annotated[int | None, typer.Option(help="With a larger id than this.")] = None,
    updated_since: Annotated[
        str, typer.Option(help="Changed since: 30m, 2h, 3d ago, or a date and time.")
    ] = "",
    limit: Limit = 50,
    page: Annotated[int | None, typer.Option(min=1, help="Which page.")] = None,
    show_personal: ShowPersonal = False,
    as_json: AsJson = False,
) -> None:
    """A page of customers."""
    import time
    from datetime import UTC, datetime

    from deploy.cli.moments import moment_ms

    chosen = [customer_id(each) for each in ids.split(",") if each.strip()]
    since = (
        datetime.fromtimestamp(moment_ms(updated_since, now_ms=int(time.time() * 1000)) / 1000, tz=UTC)
        if updated_since
        else None
    )

    async def work() -> list[dict[str, Any]]:
        async with api_of(org) as api:
            return await api.perform(
                api.dialect.listing(
                    ids=chosen or None, since_id=since_id, updated_at_min=since, limit=limit, page=page
                )
            )

    print_records(run(work()), as_json=as_json, show_personal=show_personal)


@app.command()
def search(
    org: Org,
    query: Annotated[str, typer.Argument(help="A name, an e-mail, a phone, …; - reads it from stdin.")],
    limit: Limit = 50,
    show_personal: ShowPersonal = False,
    as_json: AsJson = False,
) -> None:
    """Find customers by a text."""

    wanted = sys.stdin.readline().strip() if query == "-" else query  # arguments stand in process lists

    async def work() -> list[dict[str, Any]]:
        async with api_of(org) as api:
            return await api.perform(api.dialect.search(wanted, limit=limit))

    print_records(run(work()), as_json=as_json, show_personal=show_personal)


@app.command()
def count(org: Org, as_json: AsJson = False) -> None:
    """How many customers the shop has."""

    async def work() -> int:
        async with api_of(org) as api:
            return await api.perform(api.dialect.count())

    found = run(work())
    if as_json:
        print_json({"count": found})
    else:
        console().print(str(found))


@app.command()
def get(org: Org, customer: Customer, show_personal: ShowPersonal = False, as_json: AsJson = False) -> None:
    """One customer's record."""
    chosen = customer_id(customer)

    async def work() -> dict[str, Any]:
        async with api_of(org) as api:
            return await api.perform(api.dialect.show(chosen))

    print_record(run(work()), as_json=as_json, show_personal=show_personal)


@app.command()
def groups(org: Org, as_json: AsJson = False) -> None:
    """The shop's customer groups."""

    async def work() -> list[dict[str, Any]]:
        async with api_of(org) as api:
            return await api.perform(api.dialect.groups())

    found = run(work())
    if as_json:
        print_raw(found)
        return
    print_table(
        (">id", "name", "query"),
        [(each.get("id"), each.get("name"), each.get("query")) for each in found],
        empty="The shop has no customer groups.",
    )


@app.command()
def orders(org: Org, customer: Customer, as_json: AsJson = False) -> None:
    """A customer's orders (the admin API alone knows them)."""
    chosen = customer_id(customer)

    async def work() -> list[dict[str, Any]]:
        async with api_of(org) as api:
            return await api.perform(api.dialect.orders(chosen))

    found = run(work())
    if as_json:
        print_raw([masked(each) for each in found])
        return
    print_table(
        (">id", "name", "created", ">total", "paid"),
        [
            (
                each.get("id"),
                each.get("name"),
                each.get("created_at"),
                each.get("total_price"),
                each.get("financial_status"),
            )
            for each in found
        ],
        empty="This customer has no orders.",
    )


changes.add_to(app)
