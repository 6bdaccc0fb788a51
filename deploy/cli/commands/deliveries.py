"""`tagger deliveries`: the received webhooks and their outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, CustomerId, Org, open_context, parse_customer_id, run, server_time_ms
from deploy.cli.inputs import ONE_DAY, Moment, parse_time
from deploy.cli.output import format_time, print_json, print_table
from deploy.cli.wording import headings, translate

if TYPE_CHECKING:
    from service.store.history import Delivery, DeliveryFilter


def deliveries(
    org: Org,
    customer: Annotated[
        CustomerId | None, typer.Option(parser=parse_customer_id, help="Only this customer (the last 50).")
    ] = None,
    since: Annotated[
        Moment | None,
        typer.Option(
            parser=parse_time, show_default="24h", help="In the last 30m, 2h, 3d, or since a date and time."
        ),
    ] = None,
    topic: Annotated[list[str] | None, typer.Option(help="Only this topic, such as orders/paid.")] = None,
    outcome: Annotated[
        list[str] | None, typer.Option(help="Only this outcome: marked, echo, ignored, ignored:REASON.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List received webhooks, newest first, by customer or by time."""
    from service.store.history import deliveries as store

    def wanted(since_ms: int) -> DeliveryFilter:
        return store.DeliveryFilter(since_ms, topics=tuple(topic or ()), outcomes=tuple(outcome or ()))

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            if customer:
                rows = await store.list_for_customer(cli.redis, shop.org, customer, wanted(0))
            else:
                since_ms = (since or ONE_DAY).to_ms(now_ms=await server_time_ms(cli))
                page = await store.list_deliveries(cli.redis, shop.org, wanted(since_ms), limit=limit)
                rows = page.deliveries
        if as_json:
            print_json([_row(delivery) for delivery in rows[:limit]])
            return
        print_table(
            headings("at", "customer", "topic", "outcome", "delivery"),
            [_cells(delivery, shop.timezone) for delivery in rows[:limit]],
            empty=translate("There is no delivery record of this customer.")
            if customer
            else translate("No deliveries in this time."),
        )

    run(work())


def _row(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.id,
        "at_ms": delivery.at_ms,
        "customer": delivery.customer,
        "topic": delivery.topic,
        "outcome": delivery.outcome,
        "repeats": delivery.repeats,
        "test": delivery.test,
        "signature": delivery.signature,
        "size": delivery.size,
        "traceparent": delivery.traceparent,
    }


def _cells(delivery: Delivery, zone: str) -> tuple[object, ...]:
    repeated = translate("repeated {times}x", times=delivery.repeats) if delivery.repeats else ""
    labels = [delivery.outcome, repeated, translate("test") if delivery.test else ""]
    return (
        format_time(delivery.at_ms, zone),
        delivery.customer,
        delivery.topic,
        " ".join(filter(None, labels)),
        delivery.id,
    )
