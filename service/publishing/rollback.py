"""Restoring the tags that undone versions removed: collected from the ledger, stored for each customer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from service.context import Context
from service.domain.customers import CustomerId, ExternalChanges, OrgId, fold
from service.domain.decisions import (
    RESTORES_CODEC,
    CustomerState,
    LedgerChange,
    RestoresByCustomer,
    RollbackCollector,
)
from service.domain.preview import Population
from service.store.client import RedisClient, batched
from service.store.customers import save_values
from service.store.history import LedgerRow, drift, ledger, to_undo_record
from service.store.queue import dirty
from service.store.rules import RETRACTED_OWNER, Version

PAGE_SIZE: Final = 1_000  # ledger entries; the server needs a millisecond for a page
CLOCK_MARGIN_MS: Final = 3_600_000  # the server's clock may have been set back since the publish
LATE_MS: Final = 300_000  # after this time no removal by the undone versions can arrive any more


async def collect_restores(
    context: Context,
    org: OrgId,
    undone: Collection[int],
    *,
    by: int,
    after_id: str = "",
    until_id: str = "+",
) -> RestoresByCustomer:
    """The tags that these versions removed and nobody has changed since. Version `by` restores them.

    Only the removals after the ledger entry `after_id` and up to `until_id` count. It reads the ledger once, from the
    first of the versions on: some seconds for 100,000 entries.
    """
    if not undone:
        return {}
    collector = RollbackCollector(undone=frozenset(undone), by=by)
    published_ms = min([(await context.versions.get(org, number)).at_ms for number in undone])
    start = str(published_ms - CLOCK_MARGIN_MS)
    if after_id:
        await _read_ledger(context.redis, org, collector, start, after_id)
        collector.skip_collected()
        start = f"({after_id}"
    await _read_ledger(context.redis, org, collector, start, until_id)
    changes = await _external_changes(context.redis, org, collector.customers())
    return collector.restores(changes)


async def pending(
    context: Context, org: OrgId, rolled_back: Collection[int], live: Version, *, until_id: str = "+"
) -> RestoresByCustomer:
    """The tags that these roll-backs have to restore, by the ledger up to `until_id`.

    `live` is one of them, or was published after them.
    """
    restores: dict[int, Any] = {}
    for number in sorted(rolled_back):
        restores |= await _restores_of(context, org, number, live, until_id=until_id)
    return restores


async def pending_late(
    context: Context, org: OrgId, number: int, live: Version, *, after_id: str
) -> RestoresByCustomer:
    """The tags whose removal reached the ledger after the entry `after_id`, the last one that `pending` had read.

    The others have been decided on. If they were restored once more, a rule set from meanwhile would decide on them.
    """
    return await _restores_of(context, org, number, live, after_id=after_id)


async def assign(
    redis: RedisClient,
    org: OrgId,
    restores: RestoresByCustomer,
    population: Population,
    *,
    changing: Collection[int],
) -> list[CustomerId]:
    """Store the pending restores and return the affected customers, who must be enqueued afterwards.

    A customer is not affected if the roll-back changes neither its tags nor its state (`changing`) and it has none of the
    tags to restore, unless its snapshot is known to be old.
    """
    index = {customer.id: place for place, customer in enumerate(population.customers)}
    queued = await dirty.marked_among(
        redis, org, [CustomerId(customer) for customer in restores if customer not in changing]
    )
    packed: dict[int, bytes] = {}
    for customer, tags in restores.items():
        place = index.get(customer)
        present = frozenset(map(fold, population.customers[place].tags)) if place is not None else frozenset()
        if place is None or customer in changing or customer in queued or present & tags.keys():
            state = population.states[place] if place is not None else CustomerState(restores=tags)
            packed[customer] = RESTORES_CODEC.encode(state.restores)
    await save_values(redis, org, "pending_restores", {who: value for who, value in packed.items() if value})
    return [CustomerId(customer) for customer in packed]


async def _restores_of(
    context: Context, org: OrgId, number: int, live: Version, *, after_id: str = "", until_id: str = "+"
) -> RestoresByCustomer:
    if number in (await context.versions.inherited(org, live.number)).rolled_back:
        return {}  # a later roll-back undoes this one, and restores the same tags
    undone = (await context.versions.inherited(org, number)).rolled_back_by(number)
    return await collect_restores(context, org, undone, by=number, after_id=after_id, until_id=until_id)


async def _read_ledger(
    redis: RedisClient, org: OrgId, collector: RollbackCollector, start: str, until_id: str
) -> None:
    async for row in ledger.iterate(redis, org, after=start, until=until_id, page_size=PAGE_SIZE):
        if row.entry.written:
            collector.add(_to_change(row))


def _to_change(row: LedgerRow) -> LedgerChange:
    entry = row.entry
    return LedgerChange(
        customer=row.customer,
        tag=entry.tag,
        version=entry.version,
        at_ms=row.at_ms,
        cause=entry.why,
        undo=to_undo_record(entry),
        is_retraction=entry.rule == RETRACTED_OWNER,
    )


async def _external_changes(
    redis: RedisClient, org: OrgId, customers: Sequence[int]
) -> Mapping[int, ExternalChanges]:
    changes: dict[int, ExternalChanges] = {}
    for chunk in batched([CustomerId(customer) for customer in customers]):
        page = await drift.manual_changes_of(redis, org, chunk)
        changes |= {int(customer): of_customer for customer, of_customer in page.items()}
    return changes
