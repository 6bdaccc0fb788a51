"""`tagger deliveries`: which webhooks came, and what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.access import AsJson, Org, customer_id, now_ms, opened, org_id, run
from deploy.cli.moments import moment_ms
from deploy.cli.output import moment, print_json, print_table

if TYPE_CHECKING:
    from service.store.deliveries import Delivery


def deliveries(
    org: Org,
    customer: Annotated[str, typer.Option(help="Only this customer's, by id (the last 50).")] = "",
    since: Annotated[str, typer.Option(help="From when on: 30m, 2h, 3d ago, or a date and time.")] = "24h",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Webhooks as they came, newest first, by customer or by time."""
    from service.store import deliveries as store

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            if customer:
                found = await store.by_customer(access.redis, shop.org, customer_id(customer))
            else:
                since_ms = moment_ms(since, now_ms=await now_ms(access))
                page = await store.by_time(access.redis, shop.org, since_ms=since_ms, limit=limit)
                found = page.deliveries
        if as_json:
            print_json([_row(each) for each in found[:limit]])
            return
        print_table(
            ("at", "customer", "topic", "outcome", "", "delivery"),
            [_cells(each) for each in found[:limit]],
            empty="No delivery in that time."
            if not customer
            else "No delivery of this customer is on record.",
        )

    run(work())


def _row(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.id,
        "at_ms": delivery.at_ms,
        "customer": delivery.customer,
        "topic": delivery.topic,
        "outcome": delivery.outcome,
        "repeat": delivery.repeat,
        "test": delivery.test,
        "signature": delivery.signature,
        "size": delivery.size,
    }


def _cells(delivery: Delivery) -> tuple[object, ...]:
    labels = [label for label, is_so in (("repeat", delivery.repeat), ("test", delivery.test)) if is_so]
    return (
        moment(delivery.at_ms),
        delivery.customer,
        delivery.topic,
        delivery.outcome,
        ", ".join(labels) or " ",
        delivery.id,
    )
