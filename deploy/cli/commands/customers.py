"""`tagger customers`: Haravan's customer API, within the call limit, with personal data masked."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from deploy.cli.commands import customer_edits, personal_data
from deploy.cli.context import AsJson, Customer, Org, open_shop_api, parse_customer_ids, run
from deploy.cli.inputs import Moment, parse_time
from deploy.cli.output import ShowPersonal, mask_record, print_json, print_record, print_records, print_table
from deploy.cli.wording import headings, translate
from deploy.local import console

app = typer.Typer(
    help="Customers in Haravan. E-mail, phone and address are masked.",
    no_args_is_help=True,
)

Limit = Annotated[int, typer.Option(min=1, max=250, help="How many at most (today's API returns up to 50).")]


@app.command("list")
def list_customers(
    org: Org,
    ids: Annotated[str, typer.Option(metavar="1,2,3", help="Only these customers.")] = "",
    since_id: Annotated[int | None, typer.Option(help="Only larger ids.")] = None,
    updated_since: Annotated[
        Moment | None,
        typer.Option(parser=parse_time, help="Changed in the last 30m, 2h, 3d, or since a date and time."),
    ] = None,
    limit: Limit = 50,
    page: Annotated[int | None, typer.Option(min=1, help="The page.")] = None,
    show_personal: ShowPersonal = False,
    as_json: AsJson = False,
) -> None:
    """List one page of customers."""
    import time
    from datetime import UTC, datetime

    chosen = parse_customer_ids(ids)
    since = (
        datetime.fromtimestamp(updated_since.to_ms(now_ms=int(time.time() * 1000)) / 1000, tz=UTC)
        if updated_since
        else None
    )

    async def work() -> None:
        async with open_shop_api(org) as api:
            records = await api.perform(
                api.dialect.listing(
                    ids=chosen or None, since_id=since_id, updated_at_min=since, limit=limit, page=page
                )
            )
        print_records(records, currency=api.shop.currency, as_json=as_json, show_personal=show_personal)

    run(work())


@app.command()
def search(
    org: Org,
    query: Annotated[str, typer.Argument(help="A name, an e-mail, a phone, …; - reads stdin.")],
    limit: Limit = 50,
    show_personal: ShowPersonal = False,
    as_json: AsJson = False,
) -> None:
    """Search customers by text."""

    wanted = sys.stdin.readline().strip() if query == "-" else query  # arguments are visible in process lists

    async def work() -> None:
        async with open_shop_api(org) as api:
            records = await api.perform(api.dialect.search(wanted, limit=limit))
        print_records(records, currency=api.shop.currency, as_json=as_json, show_personal=show_personal)

    run(work())


@app.command()
def count(org: Org, as_json: AsJson = False) -> None:
    """Print the number of customers."""

    async def work() -> int:
        async with open_shop_api(org) as api:
            return await api.perform(api.dialect.count())

    customers = run(work())
    if as_json:
        print_json({"count": customers})
    else:
        console().print(str(customers))


@app.command()
def get(org: Org, customer: Customer, show_personal: ShowPersonal = False, as_json: AsJson = False) -> None:
    """Print one customer's record."""

    async def work() -> dict[str, Any]:
        async with open_shop_api(org) as api:
            return await api.perform(api.dialect.show(customer))

    print_record(run(work()), as_json=as_json, show_personal=show_personal)


@app.command()
def groups(org: Org, as_json: AsJson = False) -> None:
    """List the shop's customer groups."""

    async def work() -> list[dict[str, Any]]:
        async with open_shop_api(org) as api:
            return await api.perform(api.dialect.groups())

    customer_groups = run(work())
    if as_json:
        print_json(customer_groups)
        return
    print_table(
        headings(">id", "name", "query"),
        [(group.get("id"), group.get("name"), group.get("query")) for group in customer_groups],
        empty=translate("The shop has no customer groups."),
    )


@app.command()
def orders(org: Org, customer: Customer, as_json: AsJson = False) -> None:
    """List a customer's orders (only with the admin API)."""

    async def work() -> list[dict[str, Any]]:
        async with open_shop_api(org) as api:
            return await api.perform(api.dialect.orders(customer))

    customer_orders = run(work())
    if as_json:
        print_json([mask_record(order) for order in customer_orders])
        return
    print_table(
        headings(">id", "name", "created", ">total", "paid"),
        [
            (
                order.get("id"),
                order.get("name"),
                order.get("created_at"),
                order.get("total_price"),
                order.get("financial_status"),
            )
            for order in customer_orders
        ],
        empty=translate("This customer has no orders."),
    )


customer_edits.add_to(app)
personal_data.add_to(app)
