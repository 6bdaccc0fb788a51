"""Publishing: guard, then version and rollout in one transaction; rolling back is publishing old rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.context import Context
from service.domain.documents import content_id
from service.domain.rules import RuleSet
from service.errors import Refused
from service.publishing import rollout
from service.publishing.draft import Draft
from service.publishing.preview import PreviewReport
from service.store.history import audit_log
from service.store.jobs import Run, runs
from service.store.rules import Version
from service.store.shops import Shop


class NeedsApproval(Refused):
    """A publish would touch or remove so much that somebody must say so first; `shown` is what they should look at."""

    def __init__(self, shown: PreviewReport) -> None:
        super().__init__(_needs_approval(shown))
        self.shown = shown


@dataclass(frozen=True, slots=True)
class Published:
    """The new version, and the run that carries it out."""

    version: Version
    run: Run


async def publish_draft(
    context: Context,
    shop: Shop,
    drafted: Draft,
    *,
    by: str,
    note: str,
    approved: bool = False,
    what: str = "publish",
) -> Published:
    """Make the draft live; a worker marks whoever changes. Raises NeedsApproval, or Refused where another was quicker."""
    if drafted.shown.guard.needs_approval and not approved:
        raise NeedsApproval(drafted.shown)
    run_id, now_ms = await runs.next_id(context.redis, shop.org, "publish"), await context.now_ms()

    def roll_out(pipe: Any, version: Version) -> None:
        rollout.queue_rollout(
            pipe,
            shop.org,
            run_id,
            version=version.number,
            by=by,
            reason=rollout.reason_of(version),
            may_remove=drafted.shown.preview.removed,
            now_ms=now_ms,
        )

    version = await context.versions.publish(
        shop.org,
        drafted.rule_set,
        author=by,
        note=note,
        parent=drafted.parent,
        preview=drafted.shown.summary,
        inherited=drafted.past,
        extend=roll_out,
    )
    about = {"version": version.number, "content": version.content, "note": note, **drafted.shown.summary}
    await audit_log.append(
        context.redis, shop.org, by=by, action=what, details=about | {"approved": approved}
    )
    return Published(version, await runs.get(context.redis, shop.org, run_id))


def already_published(
    live: Version, rule_set: RuleSet, *, by: str, note: str, parent: int | None = None
) -> bool:
    """Whether this very publish has been made: somebody who has not heard of it asks once more."""
    return (live.content, live.author, live.note) == (content_id(rule_set), by, note) and parent in (
        None,
        live.parent,
    )


async def roll_back(
    context: Context, shop: Shop, drafted: Draft, *, to: int, by: str, note: str, approved: bool = False
) -> Published:
    """Publish the draft of an earlier version."""
    return await publish_draft(
        context, shop, drafted, by=by, note=note or default_note(to), approved=approved, what="rollback"
    )


def default_note(version: int) -> str:
    """The note of a roll-back that was given none."""
    return f"back to version {version}"


def _needs_approval(shown: PreviewReport) -> str:
    seen, limits = shown.preview, shown.guard
    said = {
        "share": f"it touches {seen.touched} of {seen.customers} customers (more than {limits.most_customers})",
        "removals": f"it removes {seen.removed} tags (more than {limits.most_removed})",
    }
    return (
        f"this needs an approval: {' and '.join(said[why] for why in limits.why)}; look at the preview first"
    )
