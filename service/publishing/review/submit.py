"""What a person does after a review: publish, schedule, go back, ask for an approval, end a freeze.

A publish needs a review of exactly this content over the live version, at most an hour old. All functions but
`request_approval` evaluate the shop again, so they run in the CPU pool.
"""

from __future__ import annotations

from typing import Any, Final

from service.context import Context
from service.domain.access import Actor, Role
from service.domain.customers import OrgId
from service.domain.documents import InvalidRules, content_id, validate_rules
from service.domain.rules import RuleSet
from service.errors import Refused
from service.publishing import freeze, scheduled
from service.publishing.draft import Draft, create_draft, create_rollback_draft
from service.publishing.publish import publish_draft, roll_back
from service.sentence import Sentence
from service.store import working_copies
from service.store.history import audit_log
from service.store.shops import Shop
from service.store.working_copies import ApprovalRequest, WorkingCopy

MAX_REVIEW_AGE_MS: Final = 3_600_000


async def publish_copy(
    context: Context, org: OrgId, content: str, *, by: Actor, note: str, approved: bool
) -> int:
    """Publish the working copy, and return the number of the new version.

    Raises Refused if the copy is not what was reviewed, if the review is too old or over another version, or if it needs
    an approval; Forbidden if a marketer approves.
    """
    shop, draft, copy = await _draft_reviewed(context, org, content)
    _check_approved(draft, approved=approved)
    published = await publish_draft(context, shop, draft, by=by, note=note, approved=approved)
    await working_copies.remove(context.redis, org, rev=copy.rev)
    return published.version.number


async def schedule_copy(
    context: Context,
    org: OrgId,
    content: str,
    *,
    at_ms: int,
    by: Actor,
    note: str,
    approved: bool,
    replace: bool,
) -> int:
    """Let the working copy go live at a time, which is returned. Raises what `publish_copy` raises."""
    shop, draft, copy = await _draft_reviewed(context, org, content)
    _check_approved(draft, approved=approved)
    entry = await scheduled.schedule_publish(
        context, shop, draft, at_ms=at_ms, by=by, note=note, approved=approved, replace=replace
    )
    await working_copies.remove(context.redis, org, rev=copy.rev)
    return entry.at_ms


async def publish_scheduled(context: Context, org: OrgId, *, live: int, by: Actor, approved: bool) -> int:
    """Publish the scheduled rules now over the version `live`, which the reader saw. Returns the new version."""
    shop, entry = await context.shops.get_or_raise(org), await scheduled.load_scheduled(context, org)
    draft = await scheduled.draft_scheduled(context, shop, entry)
    _check_live(draft, live)
    _check_approved(draft, approved=approved)
    published = await scheduled.publish_scheduled(context, shop, entry, draft, by=by, approved=approved)
    return published.version.number


async def end_freeze(context: Context, org: OrgId, *, live: int, by: Actor, approved: bool) -> int:
    """End the freeze under the version `live`, which the reader saw. Returns that version; 0: there are no rules."""
    shop = await context.shops.get_or_raise(org)
    draft = await freeze.draft_end_of_freeze(context, shop)
    _check_live(draft, live)
    _check_approved(draft, approved=approved)
    await freeze.end_freeze(context, shop, draft, by=by, approved=approved)
    return draft.parent


async def publish_rollback(
    context: Context, org: OrgId, to: int, live: int, *, by: Actor, note: str, approved: bool
) -> int:
    """Roll back to an earlier version, and return the number of the new one. `live` is the version that the reader saw.

    Runs in the CPU pool. Raises Refused, Forbidden, NotFound.
    """
    shop = await context.shops.get_or_raise(org)
    draft = await create_rollback_draft(context, shop, to=to)
    _check_live(draft, live)
    _check_approved(draft, approved=approved)
    published = await roll_back(context, shop, draft, to=to, by=by, note=note, approved=approved)
    return published.version.number


async def request_approval(context: Context, org: OrgId, content: str, *, by: Actor, note: str) -> None:
    """Ask ops to approve and publish the reviewed content."""
    by.require(Role.MARKETER, Sentence("ask for an approval"))
    review = await working_copies.load_review(context.redis, org)
    if review is None or review.content != content:
        raise Refused(Sentence("the draft has changed since this preview: look at the preview again"))
    summary = Sentence("draft {draft} over version {number}", draft=content[:12], number=review.parent)
    async with audit_log.recorded(context.redis, by, "ask_approval", org=org, summary=summary):
        request = ApprovalRequest(content, by.name, await context.now_ms(), note)
        await working_copies.save_request(context.redis, org, request)


async def _draft_reviewed(context: Context, org: OrgId, content: str) -> tuple[Shop, Draft, WorkingCopy]:
    """The shop, the draft and the working copy, if it is what was reviewed. Raises Refused.

    What somebody saves while it is published stays a draft.
    """
    copy = await working_copies.load(context.redis, org)
    review = await working_copies.load_review(context.redis, org)
    if copy is None:
        raise Refused(Sentence("there is no draft any more: somebody published or discarded it"))
    shop, rule_set = await context.shops.get_or_raise(org), _valid(copy.document)
    draft = await create_draft(context, shop, rule_set)
    is_reviewed = review is not None and (review.content, review.parent) == (content, draft.parent)
    is_recent = review is not None and await context.now_ms() - review.at_ms <= MAX_REVIEW_AGE_MS
    if not (is_reviewed and is_recent and content_id(rule_set) == content and copy.parent == draft.parent):
        raise Refused(
            Sentence("the draft or the live rules have changed since this preview: look at the preview again")
        )
    return shop, draft, copy


def _check_live(draft: Draft, live: int) -> None:
    if draft.parent != live:
        raise Refused(
            Sentence("version {parent} went live meanwhile: look at the preview again", parent=draft.parent)
        )


def _check_approved(draft: Draft, *, approved: bool) -> None:
    """`NeedsApproval` holds a report, which does not come out of the CPU pool."""
    if draft.report.guard.needs_approval and not approved:
        raise Refused(
            Sentence(
                "this change is larger than the guard allows: somebody with the role ops must approve it"
            )
        )


def _valid(document: dict[str, Any]) -> RuleSet:
    try:
        return validate_rules(document)
    except InvalidRules as exc:
        raise Refused(Sentence("the draft has errors: correct them first")) from exc
