"""`tagger subscription`: whether Haravan sends us a shop's webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import typer

from deploy.cli.access import AsJson, Org, opened, org_id, run
from deploy.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from workers.haravan.subscription import Subscription

app = typer.Typer(help="Webhooks: whether Haravan sends them to us.", no_args_is_help=True)


@app.command()
def status(org: Org, as_json: AsJson = False) -> None:
    """What the shop is subscribed to. Exits with 1 when it is subscribed to nothing."""

    async def work() -> int:
        async with _of(org) as subscription:
            events = await subscription.list_events()
        if as_json:
            print_json([{"id": each.id, "event": each.event, "url": each.url} for each in events])
        else:
            print_table(
                ("event", "delivered to"),
                [(each.event, each.url) for each in events],
                empty=f"Shop {org} is subscribed to nothing: no webhook comes. Subscribe: tagger subscription add {org}",
            )
        return 0 if events else 1

    raise typer.Exit(run(work()))


@app.command()
def add(org: Org) -> None:
    """Subscribe the shop; topics and address are those of the app in the partner dashboard."""

    async def work() -> None:
        async with _of(org) as subscription:
            await subscription.subscribe()
            events = await subscription.list_events()
        topics = ", ".join(each.event for each in events)
        console().print(f"Shop {org} is subscribed" + (f" to {topics}." if topics else "."))

    run(work())


@app.command()
def remove(org: Org) -> None:
    """Unsubscribe the shop: no webhook comes any more."""

    async def work() -> None:
        async with _of(org) as subscription:
            await subscription.unsubscribe()
        console().print(f"Shop {org} is not subscribed any more.")

    run(work())


@asynccontextmanager
async def _of(org: str) -> AsyncIterator[Subscription]:
    from workers.haravan.client import open_session
    from workers.haravan.subscription import Subscription

    async with opened() as access:
        shop = await access.shops.require(org_id(org))
        async with open_session() as session:
            yield Subscription(session, address=access.settings.subscribe_url, token=shop.token)
