"""Drafts: rules with a report of what they would change, before they are published. Nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from service.context import Context
from service.domain.customers import OrgId
from service.domain.decisions import RestoresByCustomer
from service.domain.engine import CompiledRules
from service.domain.explain import Translator
from service.domain.preview import describe_warning, diff_rules, summarize_change
from service.domain.rules import Inheritance, RuleSet, inherit_rollback
from service.errors import NotFound, Refused
from service.publishing import preview, rollback, rollout
from service.publishing.preview import PreviewReport
from service.sentence import Sentence
from service.store.customers import snapshots
from service.store.rules import check_currency, compile_version
from service.store.shops import FirstLook, Freeze, Shop

FREE_ROLLBACK_MS: Final = (
    24 * 3_600_000
)  # the latest version can be rolled back without approval for this long


@dataclass(frozen=True, slots=True)
class Draft:
    """Rules that can be published after version `parent`, and the report of their effect.

    `shadow`: the shop is in shadow mode, so no tag is written until shadow mode ends. `first_look`: while it is
    `pending`, no rollout is made. `freeze`: the shop is frozen; the guard looks at the changes when the freeze ends.
    """

    org: OrgId
    rule_set: RuleSet
    inherited: Inheritance
    compiled: CompiledRules
    parent: int  # 0: the first version
    live_rules: RuleSet  # those of `parent`
    report: PreviewReport
    shadow: bool = False
    first_look: FirstLook = "complete"
    freeze: Freeze | None = None

    @property
    def is_deferred(self) -> bool:
        """Whether the end of the first look rolls these rules out, not their publish. Rules without a tag only take back."""
        return self.first_look == "pending" and bool(self.rule_set.all)

    @property
    def verdict(self) -> rollout.Verdict:
        """What would be written. In shadow mode nothing is written, so nothing needs an approval."""
        report = self.report
        return rollout.Verdict(
            self.parent, report.guard.needs_approval and not self.shadow, report.preview.removed
        )


def draft_diff_lines(draft: Draft, *, words: Translator) -> list[str]:
    """The differences from the live rules: one line for each changed rule and tier."""
    changes = diff_rules(draft.live_rules, draft.rule_set)
    return [summarize_change(change, translator=words) for change in changes]


def draft_to_dict(draft: Draft, *, words: Translator) -> dict[str, Any]:
    """Everything that a person should see before publishing, as plain data."""
    warnings = [
        describe_warning(warning, translator=words, compiled=draft.compiled)
        for warning in draft.report.warnings
    ]
    return preview.to_dict(draft.report) | {
        "parent": draft.parent,
        "changes": draft_diff_lines(draft, words=words),
        "warnings": warnings,
        "shadow": draft.shadow,
        "first_look": draft.first_look,
        "frozen_until": draft.freeze.last.isoformat() if draft.freeze is not None else None,
    }


async def create_draft(context: Context, shop: Shop, rule_set: RuleSet) -> Draft:
    """Evaluate what publishing these rules would change now."""
    parent = await context.versions.live_number(shop.org)
    inherited = await context.versions.derive_inherited(shop.org, rule_set, parent=parent)
    return await draft_for(context, shop, rule_set, inherited, parent)


async def create_rollback_draft(context: Context, shop: Shop, *, to: int) -> Draft:
    """Draft the rules of an earlier version. It revokes tags that later versions gave, and restores those they took.

    Version 0, before the first, has no rules. The latest version is rolled back without approval for a day. Raises
    NotFound, Refused.
    """
    versions = context.versions
    parent = await versions.live_number(shop.org)
    _check_rollback(shop, parent=parent, to=to)
    restored = await versions.document(shop.org, to) if to else await _no_rules(context, shop, parent)
    undone = {number: await versions.document(shop.org, number) for number in range(to + 1, parent + 1)}
    inherited = inherit_rollback(
        await versions.derive_inherited(shop.org, restored, parent=parent),
        undone=undone,
        restored=restored,
        target=await versions.inherited(shop.org, to),
    )
    restores = await rollback.collect_restores(context, shop.org, undone, by=parent + 1)
    draft = await draft_for(context, shop, restored, inherited, parent, restores)
    published_ms = (await versions.get(shop.org, parent)).at_ms
    if to < parent - 1 or await context.now_ms() - published_ms >= FREE_ROLLBACK_MS:
        return draft
    return _without_guard(draft)


async def draft_live_rules(context: Context, shop: Shop) -> Draft:
    """Evaluate what the live rules would write now if nothing held them back: shadow mode, or the first look."""
    versions = context.versions
    live = await versions.live(shop.org)
    number, rule_set, restores = (
        0,
        RuleSet(timezone=shop.timezone, currency=shop.currency),
        preview.NO_RESTORES,
    )
    if live is not None:
        number, rule_set = live.number, await versions.document(shop.org, live.number)
        jobs = await rollout.pending_rollouts(context.redis, shop.org, until=number)
        rolled_back = {rollout.version_of(job) for job in jobs}
        restores = await rollback.pending(context, shop.org, rolled_back, live)
    inherited = await versions.inherited(shop.org, number)
    return await draft_for(context, shop, rule_set, inherited, number, restores, number=number)


async def draft_for(
    context: Context,
    shop: Shop,
    rule_set: RuleSet,
    inherited: Inheritance,
    parent: int,
    restores: RestoresByCustomer = preview.NO_RESTORES,
    *,
    number: int | None = None,
) -> Draft:
    """Evaluate these rules for all known customers as version `number`, by default the one after `parent`."""
    check_currency(rule_set, shop.currency)
    compiled = compile_version(rule_set, inherited=inherited)
    live_rules = await context.versions.document(shop.org, parent) if parent else RuleSet()
    now_ms = await context.now_ms()
    population, unreadable = await preview.load_population_and_unreadable(
        context.redis,
        shop.org,
        compiled,
        now_ms=now_ms,
        cipher=shop.cipher,
        restores=restores,
        on_read=context.on_read,
    )
    lacking = len({customer.id for customer in population.customers}.intersection(unreadable))
    customers = await snapshots.get_count(context.redis, shop.org)
    number = parent + 1 if number is None else number
    report = preview.build_report(
        shop, population, compiled, version=number, customers=customers, lacking=lacking
    )
    draft = Draft(
        shop.org,
        rule_set,
        inherited,
        compiled,
        parent,
        live_rules,
        report,
        shop.shadow,
        shop.first_look,
        shop.freeze if shop.is_frozen(now_ms) else None,
    )
    return _without_guard(draft) if draft.is_deferred or draft.freeze is not None else draft


def _without_guard(draft: Draft) -> Draft:
    guard = msgspec.structs.replace(draft.report.guard, needs_approval=False, why=())
    return replace(draft, report=replace(draft.report, guard=guard))


def _check_rollback(shop: Shop, *, parent: int, to: int) -> None:
    if not parent:
        raise Refused(Sentence("shop {org} has no rules yet, so there is nothing to roll back", org=shop.org))
    if to == parent:
        raise Refused(
            Sentence(
                "version {to} is live already; an earlier one is needed: tagger rules history {org}",
                to=to,
                org=shop.org,
            )
        )
    if not 0 <= to < parent:
        raise NotFound(
            Sentence(
                "shop {org} has no version {to} of its rules; see: tagger rules history {org}",
                org=shop.org,
                to=to,
            )
        )


async def _no_rules(context: Context, shop: Shop, parent: int) -> RuleSet:
    """The rules before the first version: none, with the time zone and the currency of the live ones."""
    live = await context.versions.document(shop.org, parent)
    return RuleSet(timezone=live.timezone, currency=live.currency)
