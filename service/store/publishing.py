"""Publishing: guard, version, and the marks of whoever changes by it; rolling back is publishing old rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from arq.connections import ArqRedis

from service.domain.customers import CustomerId, OrgId
from service.domain.due_days import coming_days, standing_otherwise
from service.domain.preview import touched
from service.domain.rules import RuleSet
from service.domain.writing import content_id
from service.errors import Refused
from service.store import audit, keys, previews, restoring, runs
from service.store.drafts import Draft
from service.store.previews import Shown
from service.store.runs import Run
from service.store.shop import Shop
from service.store.stepping import chunks
from service.store.versions import Version, Versions, made_ready

STILL_AT_IT_MS: Final = 300_000  # whoever published may still be marking
UNDO_MS: Final = 24 * 3_600_000  # so long the latest version is undone without approval
UNFINISHED: Final = "unfinished_publish"  # field of the shop's state: a version whose marks are not all there


class NeedsApproval(Refused):
    """A publish would touch or remove so much that somebody must say so first; `shown` is what they should look at."""

    def __init__(self, shown: Shown) -> None:
        super().__init__(_needs_approval(shown))
        self.shown = shown


@dataclass(frozen=True, slots=True)
class Published:
    """The new version, and the run that carries it out; None where nobody changes."""

    version: Version
    run: Run | None


@dataclass(frozen=True, slots=True)
class Books:
    """What a run's books begin with; `may_remove`: so many tags were previewed to go."""

    by: str
    reason: str
    may_remove: int


async def publish(
    redis: ArqRedis,
    shop: Shop,
    drafted: Draft,
    *,
    versions: Versions,
    by: str,
    note: str,
    now_ms: int,
    approved: bool = False,
    what: str = "publish",
    on_marked: Callable[[int], None] = lambda _: None,
) -> Published:
    """Make the draft live and mark whoever changes; raises NeedsApproval, or Refused where another was quicker."""
    if drafted.shown.guard.needs_approval and not approved:
        raise NeedsApproval(drafted.shown)
    client: Any = redis
    begun = keys.shop(shop.org, "state"), UNFINISHED
    await client.hset(*begun, drafted.parent + 1)
    try:
        version = await versions.publish(
            shop.org,
            drafted.rule_set,
            author=by,
            note=note,
            parent=drafted.parent,
            preview=drafted.shown.summary,
            past=drafted.past,
        )
    except Refused:
        await client.hdel(*begun)
        raise
    about = {"version": version.number, "content": version.content, "note": note, **drafted.shown.summary}
    await audit.record(redis, shop.org, by=by, what=what, about=about | {"approved": approved})
    run = await carry_out(redis, shop.org, versions, version, now_ms=now_ms, on_marked=on_marked)
    await client.hdel(*begun)
    return Published(version, run)


def is_live(live: Version, rule_set: RuleSet, *, by: str, note: str, parent: int | None = None) -> bool:
    """Whether this very publish has been made: somebody who has not heard of it asks once more."""
    return (live.content, live.author, live.note) == (content_id(rule_set), by, note) and parent in (
        None,
        live.parent,
    )


async def run_of(redis: ArqRedis, org: OrgId, version: Version) -> Run | None:
    """The run that carries a version out; None where nobody changed by it, or before it has begun."""
    client: Any = redis
    found = [
        run
        for run in await runs.latest(redis, org)
        if int(await client.hget(keys.shop(org, f"run:{run.id}"), "version") or 0) == version.number
    ]
    return found[-1] if found else None  # the end of a shadow mode may have carried it out again since


async def roll_back(
    redis: ArqRedis,
    shop: Shop,
    drafted: Draft,
    *,
    to: int,
    versions: Versions,
    by: str,
    note: str,
    now_ms: int,
    approved: bool = False,
) -> Published:
    """Publish the draft of an earlier version; the latest is undone without approval for a day."""
    free = await rolls_back_freely(versions, shop.org, to=to, now_ms=now_ms)
    return await publish(
        redis,
        shop,
        drafted,
        versions=versions,
        by=by,
        note=note or back_to(to),
        now_ms=now_ms,
        approved=approved or free,
        what="rollback",
    )


def back_to(version: int) -> str:
    """The note of a roll-back that was given none."""
    return f"back to version {version}"


async def finish(redis: ArqRedis, shop: Shop, *, versions: Versions, now_ms: int) -> Run | None:
    """Carry out a publish whose process died between the version and the marks, and what a roll-back has to put
    back of writes that were still out; None when there is neither."""
    client: Any = redis
    begun = keys.shop(shop.org, "state"), UNFINISHED
    number, stage = int(await client.hget(*begun) or 0), await restoring.stage(redis, shop.org)
    version = await versions.live(shop.org) if number or stage else None
    if version is None or now_ms - version.at_ms < STILL_AT_IT_MS:
        return None
    run = None
    if 0 < number <= version.number or stage == "begun":
        run = await carry_out(redis, shop.org, versions, version, now_ms=now_ms)
    elif stage == "late":
        run = await _put_back_late(redis, shop.org, versions, version, now_ms=now_ms)
    await client.hdel(*begun)
    return run


async def rolls_back_freely(versions: Versions, org: OrgId, *, to: int, now_ms: int) -> bool:
    """Is this the undoing of the latest version within a day? Then nobody needs to approve it."""
    live = await versions.live(org)
    return live is not None and to == live.number - 1 and now_ms - live.at_ms < UNDO_MS


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
    await _supersede(redis, org)
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


async def _put_back_late(
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
    for run in await runs.latest(redis, org):
        if run.kind != "publish" or run.ended or not run.left:
            continue
        allowed = await client.hget(keys.shop(org, f"run:{run.id}"), "may_remove")
        if allowed is not None and run.removed > _with_slack(int(allowed)):
            await client.hset(keys.shop(org, "state"), mapping={"removals_paused": f"publish {run.id}"})
            found.append(run.id)
    return found


def _with_slack(allowed: int) -> int:
    """Customers change while a run goes on: a twentieth more, and at least twenty, is no surprise."""
    return allowed + max(20, allowed // 20)


async def _supersede(redis: ArqRedis, org: OrgId) -> None:
    """A newer publish ends the older ones' books, never their marks."""
    for run in await runs.latest(redis, org):
        if run.kind == "publish" and not run.ended and run.left:
            await runs.end(redis, org, run.id, why="superseded")


async def _move_calendar(redis: ArqRedis, org: OrgId, days: Sequence[tuple[int, int]]) -> None:
    """The days on which the new rules may change by themselves; an earlier day that stands is no harm."""
    client: Any = redis
    for chunk in chunks(days):
        moved = {str(customer): day for customer, day in chunk}
        await client.zadd(keys.shop(org, "calendar"), moved, lt=True)


def _needs_approval(shown: Shown) -> str:
    seen, limits = shown.preview, shown.guard
    said = {
        "share": f"it touches {seen.touched} of {seen.customers} customers (more than {limits.most_customers})",
        "removals": f"it removes {seen.removed} tags (more than {limits.most_removed})",
    }
    return (
        f"this needs an approval: {' and '.join(said[why] for why in limits.why)}; look at the preview first"
    )
