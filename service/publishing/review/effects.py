"""Reviews: what publishing a draft, going back, a scheduled publish or the end of a freeze changes for all customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.context import Context
from service.domain.customers import OrgId
from service.domain.documents import InvalidRules, content_id, validate_rules
from service.domain.explain import Language
from service.domain.preview import DiffLine, TierPreview, describe_change, describe_warning, diff_rules
from service.domain.rules import RuleSet
from service.locales import translator_for
from service.publishing import freeze, scheduled
from service.publishing.draft import Draft, create_draft, create_rollback_draft
from service.store import working_copies
from service.store.shops import FirstLook
from service.store.working_copies import Review


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
    frozen_until: str | None = None  # the last day of a freeze, as ISO

    @property
    def counted(self) -> list[str]:
        """The counts of `TagRow` that are not 0 for every tag, besides those of every review."""
        names = ("kept", "not_ours", "left", "undecided")
        return [name for name in names if any(getattr(row, name) for row in self.tags)]


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
    at_ms: int


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
    return RollbackReview(
        to, draft.parent, _differences(draft, language), _effect(draft, language), await context.now_ms()
    )


async def review_scheduled(context: Context, org: OrgId, language: Language) -> CopyReview:
    """Evaluate the scheduled publish over what is live now. Runs in the CPU pool. Raises NotFound, Refused."""
    shop, entry = await context.shops.get_or_raise(org), await scheduled.load_scheduled(context, org)
    draft = await scheduled.draft_scheduled(context, shop, entry)
    return CopyReview(
        (),
        entry.content,
        draft.parent,
        _differences(draft, language),
        _effect(draft, language),
        await context.now_ms(),
    )


async def review_end_of_freeze(context: Context, org: OrgId, language: Language) -> CopyReview:
    """Evaluate what the end of a freeze writes. Runs in the CPU pool. Raises Refused if the shop is not frozen."""
    draft = await freeze.draft_end_of_freeze(context, await context.shops.get_or_raise(org))
    now_ms = await context.now_ms()
    return CopyReview((), "", draft.parent, (), _effect(draft, language), now_ms)


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
        frozen_until=None if draft.freeze is None else draft.freeze.last.isoformat(),
    )
