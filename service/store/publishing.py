"""Publishing: guard, version, and whoever changes by it; rolling back is publishing old rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from arq.connections import ArqRedis

from service.domain.rules import RuleSet
from service.domain.writing import content_id
from service.errors import Refused
from service.store import audit, keys, publish_runs, restoring, runs
from service.store.drafts import Draft
from service.store.previews import Shown
from service.store.runs import Run
from service.store.shop import Shop
from service.store.versions import Version, Versions

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
    run = await publish_runs.carry_out(redis, shop.org, versions, version, now_ms=now_ms, on_marked=on_marked)
    await client.hdel(*begun)
    return Published(version, run)


def is_live(live: Version, rule_set: RuleSet, *, by: str, note: str, parent: int | None = None) -> bool:
    """Whether this very publish has been made: somebody who has not heard of it asks once more."""
    return (live.content, live.author, live.note) == (content_id(rule_set), by, note) and parent in (
        None,
        live.parent,
    )


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
    """Publish the draft of an earlier version."""
    return await publish(
        redis,
        shop,
        drafted,
        versions=versions,
        by=by,
        note=note or back_to(to),
        now_ms=now_ms,
        approved=approved,
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
    if version is None or now_ms - version.at_ms < runs.STILL_AT_IT_MS:
        return None
    run = None
    if 0 < number <= version.number or stage == "begun":
        run = await publish_runs.carry_out(redis, shop.org, versions, version, now_ms=now_ms)
    elif stage == "late":
        run = await publish_runs.put_back_late(redis, shop.org, versions, version, now_ms=now_ms)
    await client.hdel(*begun)
    return run


def _needs_approval(shown: Shown) -> str:
    seen, limits = shown.preview, shown.guard
    said = {
        "share": f"it touches {seen.touched} of {seen.customers} customers (more than {limits.most_customers})",
        "removals": f"it removes {seen.removed} tags (more than {limits.most_removed})",
    }
    return (
        f"this needs an approval: {' and '.join(said[why] for why in limits.why)}; look at the preview first"
    )
