"""Dead letters: evaluate their customers again, or close them."""

from __future__ import annotations

from collections.abc import Collection

from service.context import Context
from service.domain.access import Actor
from service.domain.customers import CustomerId, OrgId
from service.errors import NotFound
from service.store.history import audit_log
from service.store.queue import dead_letters


async def retry_dead_letters(
    context: Context, org: OrgId, *, customers: Collection[CustomerId] | None = None, by: Actor
) -> list[CustomerId]:
    """Evaluate customers with open dead letters again, by default all. A success closes their letters.

    Returns the customers. Those without an open letter are left out.
    """
    letters = {letter.customer for letter in await dead_letters.list_open(context.redis, org)}
    chosen = sorted(letters if customers is None else letters.intersection(customers))
    if chosen:
        summary = f"{len(chosen)} customers"
        async with audit_log.recorded(context.redis, by, "retry_dead_letters", org=org, summary=summary):
            await dead_letters.retry(context.redis, org, chosen)
    return chosen


async def discard_dead_letters(context: Context, org: OrgId, customer: CustomerId, *, by: Actor) -> None:
    """Close a customer's dead letters without evaluating the customer. Raises NotFound if there is none."""
    if not await dead_letters.for_customer(context.redis, org, customer):
        raise NotFound(f"customer {customer} has no open dead letter")
    async with audit_log.recorded(
        context.redis, by, "discard_dead_letters", org=org, summary=f"customer {customer}"
    ):
        await dead_letters.discard(context.redis, org, customer)
