"""Putting back what undone versions took: gathered from the ledger once for a roll-back, kept until each is settled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from arq.connections import ArqRedis

from service.domain.customers import CustomerId, ExternalChanges, OrgId, fold
from service.domain.decisions import (
    RESTORES_CODEC,
    CustomerState,
    LedgerChange,
    RestoresByCustomer,
    RollbackCollector,
)
from service.domain.preview import Population
from service.store.client import batched, keys
from service.store.history import LedgerRow, drift, ledger, to_undo_record
from service.store.queue import dirty
from service.store.rules import RETRACTED_OWNER, Version, Versions

PAGE: Final = 1_000  # entries; a millisecond of the store
EARLIER_MS: Final = 3_600_000  # the store's clock may have been set back since
LATE_MS: Final = 300_000  # so long after a roll-back no removal of the undone versions can arrive any more


async def collect_restores(
    redis: ArqRedis, org: OrgId, undone: Collection[int], *, by: int, versions: Versions, after_ms: int = 0
) -> RestoresByCustomer:
    """What these versions took (after a moment) and nobody has touched since, to be put back by version `by`.

    One pass over the ledger since the first of them: some seconds for 100,000 entries, no call for each customer.
    """
    if not undone:
        return {}
    collector = RollbackCollector(undone=frozenset(undone), by=by)
    began = min([(await versions.get(org, number)).at_ms for number in undone])
    async for one in ledger.iterate(redis, org, after=str(began - EARLIER_MS), page_size=PAGE):
        if one.entry.written:
            collector.add(_change(one))
    return collector.restores(await _touches(redis, org, collector.customers()), after_ms=after_ms)


async def pending(
    redis: ArqRedis, org: OrgId, rolled_back: Collection[int], live: Version, *, versions: Versions
) -> RestoresByCustomer:
    """What roll-backs, which are live or still to be carried out beneath `live`, have not put back yet."""
    found: dict[int, Any] = {}
    for number in sorted(rolled_back):
        found |= await _of_version(redis, org, number, live, versions=versions)
    return found


async def pending_late(
    redis: ArqRedis, org: OrgId, number: int, live: Version, *, versions: Versions
) -> RestoresByCustomer:
    """The same of removals whose answers were still out when the roll-back went live."""
    rolled_back = await versions.get(org, number)
    return await _of_version(redis, org, number, live, versions=versions, after_ms=rolled_back.at_ms)


async def assign(
    redis: ArqRedis, org: OrgId, found: RestoresByCustomer, people: Population, *, touched: Collection[int]
) -> list[CustomerId]:
    """Keep it with the customers for whom it matters; who they are. They are to be marked after this.

    It does not matter to who has neither a tag to be given back nor one to be seen as it was, unless what we
    know of them is known to be old.
    """
    known = {customer.id: place for place, customer in enumerate(people.customers)}
    marked = await dirty.marked_among(redis, org, [CustomerId(one) for one in found if one not in touched])
    chosen: dict[int, bytes] = {}
    for customer, restores in found.items():
        place = known.get(customer)
        there = frozenset(map(fold, people.customers[place].tags)) if place is not None else frozenset[str]()
        if place is None or customer in touched or customer in marked or there & restores.keys():
            stands = people.states[place] if place is not None else CustomerState(restores=restores)
            chosen[customer] = RESTORES_CODEC.encode(stands.restores)
    await _store(redis, org, chosen)
    return [CustomerId(one) for one in chosen]


async def _of_version(
    redis: ArqRedis, org: OrgId, number: int, live: Version, *, versions: Versions, after_ms: int = 0
) -> RestoresByCustomer:
    if number in (await versions.inherited(org, live.number)).rolled_back:
        return {}  # undone itself, by a roll-back that puts back as much
    undone = (await versions.inherited(org, number)).rolled_back_by(number)
    return await collect_restores(redis, org, undone, by=number, versions=versions, after_ms=after_ms)


def _change(one: LedgerRow) -> LedgerChange:
    entry = one.entry
    return LedgerChange(
        customer=one.customer,
        tag=entry.tag,
        version=entry.version,
        at_ms=one.at_ms,
        cause=entry.why,
        undo=to_undo_record(entry),
        is_retraction=entry.rule == RETRACTED_OWNER,
    )


async def _touches(redis: ArqRedis, org: OrgId, customers: Sequence[int]) -> Mapping[int, ExternalChanges]:
    found: dict[int, ExternalChanges] = {}
    for chunk in batched([CustomerId(one) for one in customers]):
        found |= {
            int(one): touches for one, touches in (await drift.manual_changes_of(redis, org, chunk)).items()
        }
    return found


async def _store(redis: ArqRedis, org: OrgId, packed: Mapping[int, bytes]) -> None:
    client: Any = redis
    fields = [(str(customer), blob) for customer, blob in packed.items() if blob]
    for chunk in batched(fields):
        await client.hset(keys.shop(org, "pending_restores"), mapping=dict(chunk))
