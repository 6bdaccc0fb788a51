"""Evaluate customers again: replay selected ones as a run, and retry or close dead letters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from service.context import Context
from service.domain.access import Actor
from service.domain.customers import CustomerId, OrgId
from service.errors import NotFound, Refused
from service.publishing import first_look
from service.store.customers import snapshots
from service.store.history import audit_log, deliveries
from service.store.jobs import Run, runs
from service.store.queue import dead_letters as letters


@dataclass(frozen=True, slots=True)
class Selection:
    """The customers of a replay, without duplicates, in the order in which they are enqueued."""

    customers: tuple[CustomerId, ...]
    description: str  # the selection in words, for the run's record


async def select_customers(
    context: Context,
    org: OrgId,
    *,
    customers: Sequence[CustomerId] = (),
    since_ms: int | None = None,
    until_ms: int | None = None,
    topics: Sequence[str] = (),
    dead_letters: bool = False,
    everybody: bool = False,
    on_found: Callable[[int], None] = lambda _: None,
) -> Selection:
    """Select customers by id, by the deliveries of a time span, by open dead letters, or all known customers.

    Raises Refused unless exactly one of the four is given. Raises it for all known customers before the shop's first
    look is complete: most of them are known from its walk. `on_found` gets the number of all customers found so far.
    """
    criteria = [bool(customers), since_ms is not None, dead_letters, everybody]
    if sum(criteria) != 1:
        raise Refused(
            "say what to replay: customers, a span of time, dead letters or everybody (one of them)"
        )
    if topics and since_ms is None:
        raise Refused("a topic narrows a span of time: give the time as well")
    if customers:
        unique = tuple(dict.fromkeys(customers))
        return Selection(unique, f"{len(unique)} customers by id")
    if since_ms is not None:
        selected = await deliveries.customers_since(
            context.redis, org, since_ms=since_ms, until_ms=until_ms, topics=topics
        )
        of_topics = f" of {', '.join(topics)}" if topics else ""
        since = datetime.fromtimestamp(since_ms / 1000, UTC).isoformat(timespec="seconds")
        return Selection(tuple(selected), f"deliveries since {since}{of_topics}")
    if dead_letters:
        found = await letters.list_open(context.redis, org)
        return Selection(tuple(dict.fromkeys(letter.customer for letter in found)), "open dead letters")
    first_look.check_complete(await context.shops.get_or_raise(org))
    known = await snapshots.known_ids(context.redis, org, on_found=on_found)
    return Selection(tuple(sorted(known)), "everybody")


async def create_replay(
    context: Context,
    org: OrgId,
    selection: Selection,
    *,
    by: Actor,
    reason: str,
    on_marked: Callable[[int], None] = lambda _: None,
) -> Run:
    """Enqueue the selection in the bulk lane, as a run. Only differences are written, so it can be repeated safely.

    Raises Refused if the selection is empty. `on_marked` gets the number of customers enqueued so far.
    """
    if not selection.customers:
        raise Refused(f"nothing to replay: no customer matches ({selection.description})")
    summary = f"{len(selection.customers)} customers: {selection.description}"
    async with audit_log.recorded(context.redis, by, "replay", org=org, summary=summary):
        return await runs.start(
            context.redis,
            org,
            selection.customers,
            kind="replay",
            by=by.name,
            reason=reason or selection.description,
            now_ms=await context.now_ms(),
            on_marked=on_marked,
        )


async def retry_dead_letters(
    context: Context, org: OrgId, *, customers: Collection[CustomerId] | None = None, by: Actor
) -> list[CustomerId]:
    """Evaluate customers with open dead letters again, by default all. A success closes their letters.

    Returns the customers. Those without an open letter are left out.
    """
    found = {letter.customer for letter in await letters.list_open(context.redis, org)}
    chosen = sorted(found if customers is None else found.intersection(customers))
    if chosen:
        summary = f"{len(chosen)} customers"
        async with audit_log.recorded(context.redis, by, "retry_dead_letters", org=org, summary=summary):
            await letters.retry(context.redis, org, chosen)
    return chosen


async def discard_dead_letters(
    context: Context, org: OrgId, customer: CustomerId, *, by: Actor, reason: str = ""
) -> None:
    """Close a customer's dead letters without evaluating the customer. Raises NotFound if there is none."""
    if not await letters.for_customer(context.redis, org, customer):
        raise NotFound(f"customer {customer} has no open dead letter")
    summary = f"customer {customer}: {reason}" if reason else f"customer {customer}"
    async with audit_log.recorded(context.redis, by, "discard_dead_letters", org=org, summary=summary):
        await letters.discard(context.redis, org, customer)
