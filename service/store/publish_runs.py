"""The run that carries a version out: who is marked by it, what its books say, and when it takes more than was shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from arq.connections import ArqRedis

from service.domain.customers import CustomerId, OrgId
from service.domain.due_days import coming_days, standing_otherwise
from service.domain.preview import touched
from service.store import keys, previews, restoring, runs
from service.store.runs import Run
from service.store.stepping import chunks
from service.store.versions import Version, Versions, made_ready


@dataclass(frozen=True, slots=True)
class Books:
    """What a run's books begin with; `may_remove`: so many tags were previewed to go."""

    by: str
    reason: str
    may_remove: int


async def carry_out(
    redis: ArqRedis,
    org: OrgId,
    versions: Versions,
    version: Version,
    *,
    now_ms: int,
    books: Books | None = None,
    on_marked: Callable[[int], None] = lambda _: None,
) -> Run | None:
    """Mark whoever changes under the version, which is live by now, and of whom something else is to be kept; None
    where there is nobody.

    Everybody is looked at once more: from here on no drain clears by the older rules, so nobody slips through
    between the preview and the version. Twice marks twice, which writes nothing twice. `books`: where they are not
    those of the version's own publish.
    """
    await runs.supersede(redis, org)
    past = await versions.past(org, version.number)
    compiled = made_ready(await versions.document(org, version.number), past=past)
    back = await restoring.owed(redis, org, version, versions=versions)
    people, unreadable = await previews.everybody(redis, org, compiled, now_ms=now_ms, restores=back)
    await _move_calendar(redis, org, coming_days(people, compiled))
    changing = touched(people, compiled, version=version.number)
    waiting = await restoring.order(redis, org, back, people, touched=frozenset(changing))
    quietly = standing_otherwise(people, compiled, version=version.number)
    customers = [*dict.fromkeys([*map(CustomerId, (*changing, *quietly)), *waiting, *unreadable])]
    run = await _start(
        redis, org, version, books or _books(version), customers, now_ms=now_ms, on_marked=on_marked
    )
    await restoring.ordered(redis, org)
    return run


async def run_of(redis: ArqRedis, org: OrgId, version: Version) -> Run | None:
    """The run that carries a version out; None where nobody changed by it, or before it has begun."""
    client: Any = redis
    found = [
        run
        for run in await runs.latest(redis, org)
        if int(await client.hget(keys.shop(org, f"run:{run.id}"), "version") or 0) == version.number
    ]
    return found[-1] if found else None  # the end of a shadow mode may have carried it out again since


async def put_back_late(
    redis: ArqRedis, org: OrgId, versions: Versions, version: Version, *, now_ms: int
) -> Run | None:
    """Removals that were under way when their version was undone are known only now."""
    late = await restoring.owed_late(redis, org, version, versions=versions)
    run = None
    if late:
        compiled = made_ready(
            await versions.document(org, version.number), past=await versions.past(org, version.number)
        )
        people = await previews.gather(redis, org, compiled, now_ms=now_ms, restores=late)
        customers = await restoring.order(redis, org, late, people, touched=late.keys())
        run = await _start(redis, org, version, _books(version), customers, now_ms=now_ms)
    await restoring.done(redis, org)
    return run


def _books(version: Version) -> Books:
    may_remove = (version.preview or {}).get("removed", 0)
    return Books(version.author, version.note or f"version {version.number}", may_remove)


async def _start(
    redis: ArqRedis,
    org: OrgId,
    version: Version,
    books: Books,
    customers: Sequence[CustomerId],
    *,
    now_ms: int,
    on_marked: Callable[[int], None] = lambda _: None,
) -> Run | None:
    """Mark these customers under a run of their own; None where there are none."""
    if not customers:
        return None
    run = await runs.start(
        redis,
        org,
        customers,
        kind="publish",
        by=books.by,
        reason=books.reason,
        now_ms=now_ms,
        on_marked=on_marked,
    )
    client: Any = redis
    also = {"may_remove": books.may_remove, "version": version.number}
    await client.hset(keys.shop(org, f"run:{run.id}"), mapping=also)
    return run


async def stop_overruns(redis: ArqRedis, org: OrgId) -> list[str]:
    """Pause removals where a publish takes more tags than its preview said; the ids of such runs."""
    client: Any = redis
    found: list[str] = []
    for run in await runs.publishes(redis, org):
        if run.ended or not run.left:
            continue
        allowed = await client.hget(keys.shop(org, f"run:{run.id}"), "may_remove")
        if allowed is not None and run.removed > _with_slack(int(allowed)):
            await client.hset(keys.shop(org, "state"), mapping={"removals_paused": f"publish {run.id}"})
            found.append(run.id)
    return found


def _with_slack(allowed: int) -> int:
    """Customers change while a run goes on: a twentieth more, and at least twenty, is no surprise."""
    return allowed + max(20, allowed // 20)


async def _move_calendar(redis: ArqRedis, org: OrgId, days: Sequence[tuple[int, int]]) -> None:
    """The days on which the new rules may change by themselves; an earlier day that stands is no harm."""
    client: Any = redis
    for chunk in chunks(days):
        moved = {str(customer): day for customer, day in chunk}
        await client.zadd(keys.shop(org, "schedule"), moved, lt=True)
