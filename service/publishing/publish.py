"""Publishing: check the guard, then store the version and its rollout in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from service.context import Context
from service.domain.access import Actor, Role
from service.domain.documents import content_id
from service.domain.rules import RuleSet
from service.errors import Refused
from service.publishing import rollout
from service.publishing.draft import Draft
from service.publishing.preview import PreviewReport
from service.sentence import Sentence
from service.store.history import audit_log
from service.store.jobs import Run, runs
from service.store.rules import Version, rollback_note
from service.store.shops import Shop, queue_first_look


class NeedsApproval(Refused):
    """A publish changes so many customers, or removes so many tags, that a person must approve its `report` first."""

    def __init__(self, report: PreviewReport) -> None:
        super().__init__(_approval_message(report))
        self.report = report


@dataclass(frozen=True, slots=True)
class Published:
    """The new version, and the run of its rollout. None: the end of the shop's first look makes it."""

    version: Version
    run: Run | None


async def publish_draft(
    context: Context,
    shop: Shop,
    draft: Draft,
    *,
    by: Actor,
    note: str,
    approved: bool = False,
    action: str = "publish",
    scheduled_ms: int = 0,
    unchanged: Mapping[str, bytes | None] = MappingProxyType({}),
    extend: Callable[[Any], None] = lambda _pipe: None,
) -> Published:
    """Make the draft live; a worker then enqueues the customers that change.

    `scheduled_ms`, `unchanged` and `extend` are for a scheduled publish: when it was due, the keys that the transaction
    requires to be as they were, and its further commands.

    If a first look waits for approval, this publish takes its place: the draft counts every customer. Raises
    NeedsApproval, or Forbidden for an approval by a marketer, or Refused if another version was published since the
    draft.
    """
    require_approval(draft.report, approved=approved, by=by)
    run_id, now_ms = await runs.next_id(context.redis, shop.org, "publish"), await context.now_ms()

    def queue_rollout(pipe: Any, version: Version) -> None:
        extend(pipe)
        if draft.is_deferred:
            return
        if draft.first_look == "waiting":
            queue_first_look(pipe, shop.org, "complete")
        rollout.queue_rollout(
            pipe,
            shop.org,
            run_id,
            version=version.number,
            by=by.name,
            reason=rollout.reason_of(version),
            may_remove=draft.report.preview.removed,
            now_ms=now_ms,
            is_large=draft.report.guard.needs_approval,
        )

    summary = describe_effect(draft.report, version=draft.parent + 1, approved=approved)
    async with audit_log.recorded(context.redis, by, action, org=shop.org, summary=summary):
        version = await context.versions.publish(
            shop.org,
            draft.rule_set,
            author=by.name,
            note=note,
            parent=draft.parent,
            preview=draft.report.summary,
            inherited=draft.inherited,
            first_look=draft.first_look,
            scheduled_ms=scheduled_ms,
            unchanged=unchanged,
            extend=queue_rollout,
        )
    return Published(version, None if draft.is_deferred else await runs.get(context.redis, shop.org, run_id))


def require_approval(report: PreviewReport, *, approved: bool, by: Actor) -> None:
    """Check that what exceeds the guard is approved, and by somebody who may. Raises NeedsApproval, Forbidden."""
    if report.guard.needs_approval:
        if not approved:
            raise NeedsApproval(report)
        by.require(Role.OPS, Sentence("approve a change beyond the guard"))


def describe_effect(report: PreviewReport, *, version: int, approved: bool) -> Sentence:
    """A version and the numbers of its preview, for the audit log."""
    preview = report.preview
    effect = Sentence(
        "version {number}: touches {touched} of {customers} customers, adds {added} tags, removes {removed}",
        number=version,
        touched=preview.touched,
        customers=preview.customers,
        added=preview.added,
        removed=preview.removed,
    )
    return (
        Sentence("{effect}, approved", effect=effect) if approved and report.guard.needs_approval else effect
    )


async def find_same_rules(context: Context, shop: Shop, rule_set: RuleSet) -> Version | None:
    """The live version if it has these rules: publishing them again would change nothing."""
    live = await context.versions.live(shop.org)
    return live if live is not None and live.content == content_id(rule_set) else None


async def find_same_rollback(
    context: Context, shop: Shop, draft: Draft, *, by: str, note: str
) -> Version | None:
    """The live version if it is the result of this same roll-back: a client that got no answer asks again."""
    live = await find_same_rules(context, shop, draft.rule_set)
    return live if live is not None and (live.author, live.note) == (by, note) else None


async def roll_back(
    context: Context, shop: Shop, draft: Draft, *, to: int, by: Actor, note: str, approved: bool = False
) -> Published:
    """Publish the draft of an earlier version."""
    return await publish_draft(
        context, shop, draft, by=by, note=note or str(rollback_note(to)), approved=approved, action="rollback"
    )


def _approval_message(report: PreviewReport) -> Sentence:
    preview, guard = report.preview, report.guard
    excess = {
        "share": Sentence(
            "it touches {touched} of {customers} customers (more than {most})",
            touched=preview.touched,
            customers=report.customers,
            most=guard.most_customers,
        ),
        "removals": Sentence(
            "it removes {removed} tags (more than {most})", removed=preview.removed, most=guard.most_removed
        ),
    }
    reasons = Sentence.join(excess[why] for why in guard.why)
    return Sentence("this needs an approval: {reasons}; look at the preview first", reasons=reasons)
