"""`tagger subscription`: a shop's webhook subscription at Haravan."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import typer

from deploy.cli.context import AsJson, Org, OrgId, open_context, run
from deploy.cli.inputs import current_actor
from deploy.cli.output import print_json, print_sentence, print_table
from deploy.cli.wording import headings, translate
from service.sentence import Sentence

if TYPE_CHECKING:
    from workers.haravan import Subscription

app = typer.Typer(help="The webhook subscription: show, add, remove.", no_args_is_help=True)


@app.command()
def status(org: Org, as_json: AsJson = False) -> None:
    """List the subscribed topics. Exits with 1 if there is no subscription."""

    async def work() -> int:
        async with _open_subscription(org) as subscription:
            events = await subscription.list_events()
        if as_json:
            print_json([{"id": event.id, "event": event.event, "url": event.url} for event in events])
        else:
            print_table(
                headings("event", "delivered to"),
                [(event.event, event.url) for event in events],
                empty=translate(
                    "Shop {org} has no subscription: Haravan sends no webhooks. Subscribe: tagger subscription add {org}",
                    org=org,
                ),
            )
        return 0 if events else 1

    raise typer.Exit(run(work()))


@app.command()
def add(org: Org) -> None:
    """Subscribe the shop. Topics and address are set in the partner dashboard of the app."""

    async def work() -> None:
        async with _open_subscription(org, change="subscribe") as subscription:
            await subscription.subscribe()
            events = await subscription.list_events()
        topics = ", ".join(event.event for event in events)
        if topics:
            print_sentence("Shop {org} is subscribed to {topics}.", org=org, topics=topics)
        else:
            print_sentence("Shop {org} is subscribed.", org=org)

    run(work())


@app.command()
def remove(org: Org) -> None:
    """Unsubscribe the shop. Haravan then sends no webhooks."""

    async def work() -> None:
        async with _open_subscription(org, change="unsubscribe") as subscription:
            await subscription.unsubscribe()
        print_sentence("Shop {org} is not subscribed any more.", org=org)

    run(work())


@asynccontextmanager
async def _open_subscription(org: OrgId, *, change: str = "") -> AsyncIterator[Subscription]:
    """Open a shop's subscription, and record the change that the block makes."""
    from service.store.history import audit_log
    from workers.haravan import Subscription, open_session

    async with open_context() as cli:
        shop = await cli.shops.get_or_raise(org)
        async with open_session() as session:
            subscription = Subscription(session, address=cli.settings.subscribe_url, token=shop.token)
            if not change:
                yield subscription
                return
            async with audit_log.recorded(
                cli.redis, current_actor(), change, org=shop.org, summary=Sentence("webhook subscription")
            ):
                yield subscription
