"""The review of a working copy before its publish, and the publish itself.

A publish needs a review of exactly this content over the live version, at most an hour old.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from service.context import Context
from service.domain.access import Actor, Role
from service.domain.customers import OrgId
from service.domain.documents import InvalidRules, content_id, validate_rules
from service.domain.explain import Language
from service.domain.preview import DiffLine, TierPreview, describe_change, describe_warning, diff_rules
from service.domain.rules import RuleSet
from service.errors import Refused
from service.locales import translator_for
from service.publishing.draft import Draft, create_draft, create_rollback_draft
from service.publishing.publish import Published, publish_draft, roll_back
from service.sentence import Sentence
from service.store import working_copies
from service.store.history import audit_log
from service.store.shops import FirstLook, Shop
from service.store.working_copies import ApprovalRequest, Review

MAX_REVIEW_AGE_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class RuleDifference:
    """The change of one rule or tier, in sentences."""

    id: str
    kind: str
    title: str
    lines: tuple[DiffLine, ...]


@dataclass(frozen=True, slots=True)
class TagRow:
    """What happens to one tag. `kept` are held by `keep` or `downgrade`, `left` have no rule any more."""

    tag: str
    added: int
    removed: int
    unchanged: int
    kept: int
    not_ours: int
    left: int
    undecided: int
    adds: tuple[int, ...]
    removes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a publish changes, as plain data. `why` names the limits of the guard that it exceeds."""

    customers: int
    touched: int
    added: int
    removed: int
    kept: int
    left: int
    undecided: int
    seconds: int
    needs_approval: bool
    why: tuple[str, ...]
    most_customers: int
    most_removed: int
    tags: tuple[TagRow, ...]
    tiers: tuple[TierPreview, ...]
    warnings: tuple[str, ...]
    shadow: bool
    first_look: FirstLook


@dataclass(frozen=True, slots=True)
class CopyReview:
    """The review of a working copy. With `problems` there is no effect. `content` identifies what was reviewed."""

    problems: tuple[tuple[str, str], ...] = ()  # id of the rule or tier, and the error
    content: str = ""
    live: int = 0
    changes: tuple[RuleDifference, ...] = ()
    effect: Effect | None = None
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class RollbackReview:
    """What rolling back to an earlier version changes."""

    to: int
    live: int
    changes: tuple[RuleDifference, ...]
    effect: Effect


async def review_copy(
    context: Context, org: OrgId, document: dict[str, Any], parent: int, language: Language
) -> CopyReview:
    """Evaluate a working copy for all customers, and remember that it was reviewed. Runs in the CPU pool."""
    words, shop = translator_for(language), await context.shops.get_or_raise(org)
    now_ms = await context.now_ms()
    try:
        rule_set = validate_rules(document)
    except InvalidRules as exc:
        problems = tuple((_entry_id(document, problem.path), problem.text(words)) for problem in exc.problems)
        return CopyReview(problems, live=await context.versions.live_number(org), at_ms=now_ms)
    draft = await create_draft(context, shop, rule_set)
    content = content_id(rule_set)
    if draft.parent == parent:
        await working_copies.save_review(context.redis, org, Review(content, parent, now_ms))
    return CopyReview(
        (), content, draft.parent, _differences(draft, language), _effect(draft, language), now_ms
    )


async def review_rollback(context: Context, org: OrgId, to: int, language: Language) -> RollbackReview:
    """Evaluate a roll-back for all customers. Runs in the CPU pool. Raises NotFound, Refused."""
    shop = await context.shops.get_or_raise(org)
    draft = await create_rollback_draft(context, shop, to=to)
    return RollbackReview(to, draft.parent, _differences(draft, language), _effect(draft, language))


async def publish_copy(
    context: Context, org: OrgId, content: str, *, by: Actor, note: str, approved: bool
) -> int:
    """Publish the working copy, and return the number of the new version. Runs in the CPU pool.

    Raises Refused if the copy is not what was reviewed, if the review is too old or over another version, or if it needs
    an approval; Forbidden if a marketer approves.
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
    published = await _publish(context, shop, draft, by=by, note=note, approved=approved)
    await working_copies.remove(context.redis, org)
    return published.version.number


async def publish_rollback(
    context: Context, org: OrgId, to: int, live: int, *, by: Actor, note: str, approved: bool
) -> int:
    """Roll back to an earlier version, and return the number of the new one. `live` is the version that the reader saw.

    Runs in the CPU pool. Raises Refused, Forbidden, NotFound.
    """
    shop = await context.shops.get_or_raise(org)
    draft = await create_rollback_draft(context, shop, to=to)
    if draft.parent != live:
        raise Refused(
            Sentence("version {parent} went live meanwhile: look at the preview again", parent=draft.parent)
        )
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


async def _publish(
    context: Context, shop: Shop, draft: Draft, *, by: Actor, note: str, approved: bool
) -> Published:
    _check_approved(draft, approved=approved)
    return await publish_draft(context, shop, draft, by=by, note=note, approved=approved)


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


def _entry_id(document: dict[str, Any], path: tuple[str | int, ...]) -> str:
    if len(path) < 2 or not isinstance(path[1], int):
        return ""
    return str(document[str(path[0])][path[1]].get("id", ""))


def _differences(draft: Draft, language: Language) -> tuple[RuleDifference, ...]:
    return differences(draft.live_rules, draft.rule_set, language)


def differences(before: RuleSet, after: RuleSet, language: Language) -> tuple[RuleDifference, ...]:
    """The differences of two rule sets, rule by rule."""
    words = translator_for(language)
    found: list[RuleDifference] = []
    for change in diff_rules(before, after):
        rule = change.after or change.before
        lines = describe_change(change, translator=words, before=before, after=after)
        title = rule.display_name(language) if rule is not None else change.id
        found.append(RuleDifference(change.id, change.kind, title, tuple(lines)))
    return tuple(found)


def _effect(draft: Draft, language: Language) -> Effect:
    report, words = draft.report, translator_for(language)
    preview, guard = report.preview, report.guard
    rows = tuple(
        TagRow(
            each.tag,
            each.added,
            each.removed,
            each.unchanged,
            each.kept + each.downgrade,
            each.not_ours,
            each.left,
            each.undecided,
            each.samples.get("added", ()),
            each.samples.get("removed", ()),
        )
        for each in preview.tags
    )
    return Effect(
        customers=report.customers,
        touched=preview.touched,
        added=preview.added,
        removed=preview.removed,
        kept=sum(row.unchanged + row.kept for row in rows),
        left=sum(row.left for row in rows),
        undecided=sum(row.undecided for row in rows),
        seconds=report.cost.seconds,
        needs_approval=guard.needs_approval,
        why=guard.why,
        most_customers=guard.most_customers,
        most_removed=guard.most_removed,
        tags=rows,
        tiers=preview.tiers,
        warnings=tuple(
            describe_warning(each, translator=words, compiled=draft.compiled) for each in report.warnings
        ),
        shadow=draft.shadow,
        first_look=draft.first_look,
    )
