"""Replays: who would be looked at again, and the run that does it. Counts first, marks second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from arq.connections import ArqRedis

from service.domain.customers import CustomerId, OrgId
from service.errors import Refused
from service.store.customers import snapshots
from service.store.history import deliveries
from service.store.jobs import runs
from service.store.queue import list_open


@dataclass(frozen=True, slots=True)
class Selection:
    """What a replay would look at: exactly these customers, in this order, each once."""

    customers: tuple[CustomerId, ...]
    description: str  # the selection in words, for the run's record


async def select_customers(
    redis: ArqRedis,
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
    """Choose by customers, by the deliveries of a span of time, by open dead letters, or everybody we know.

    Exactly one of them; raises Refused. `on_found` hears how many of everybody were found so far.
    """
    asked = [bool(customers), since_ms is not None, dead_letters, everybody]
    if sum(asked) != 1:
        raise Refused(
            "say what to replay: customers, a span of time, dead letters or everybody (one of them)"
        )
    if topics and since_ms is None:
        raise Refused("a topic narrows a span of time: give the time as well")
    if customers:
        chosen = tuple(dict.fromkeys(customers))
        return Selection(chosen, f"{len(chosen)} customers by id")
    if since_ms is not None:
        found = await deliveries.customers_since(
            redis, org, since_ms=since_ms, until_ms=until_ms, topics=topics
        )
        return Selection(
            tuple(found), f"deliveries since {since_ms}" + (f" of {', '.join(topics)}" if topics else "")
        )
    if dead_letters:
        letters = await list_open(redis, org)
        return Selection(tuple(dict.fromkeys(each.customer for each in letters)), "open dead letters")
    return Selection(tuple(sorted(await snapshots.known_ids(redis, org, on_found=on_found))), "everybody")


async def create_replay(
    redis: ArqRedis,
    org: OrgId,
    selection: Selection,
    *,
    by: str,
    reason: str,
    now_ms: int,
    on_marked: Callable[[int], None] = lambda _: None,
) -> runs.Run:
    """Mark the selection in the bulk lane; twice makes no second write, since only differences are written."""
    if not selection.customers:
        raise Refused(f"nothing to replay: no customer matches ({selection.description})")
    return await runs.start(
        redis,
        org,
        selection.customers,
        kind="replay",
        by=by,
        reason=reason or selection.description,
        now_ms=now_ms,
        on_marked=on_marked,
    )
