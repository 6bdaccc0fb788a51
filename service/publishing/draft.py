"""Drafts: rules before they are published, with a report of their effect. Nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from service.context import Context
from service.domain.decisions import RestoresByCustomer
from service.domain.engine import CompiledRules
from service.domain.explain import Translator
from service.domain.preview import describe_warning, diff_rules, summarize_change
from service.domain.rules import Inheritance, RuleSet, inherit_rollback
from service.errors import Refused
from service.publishing import preview, rollback
from service.publishing.preview import PreviewReport
from service.store.customers import snapshots
from service.store.rules import check_currency, compile_version
from service.store.shops import Shop

FREE_ROLLBACK_MS: Final = (
    24 * 3_600_000
)  # the latest version can be rolled back without approval for this long


@dataclass(frozen=True, slots=True)
class Draft:
    """Rules that can be published after version `parent`, and the report of their effect.

    `shadow`: the shop is in shadow mode, so no tag is written until shadow mode ends.
    """

    rule_set: RuleSet
    inherited: Inheritance
    compiled: CompiledRules
    parent: int  # 0: the first version
    live_rules: RuleSet  # those of `parent`
    report: PreviewReport
    shadow: bool = False


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
    }


async def create_draft(context: Context, shop: Shop, rule_set: RuleSet) -> Draft:
    """Evaluate what publishing these rules would change now."""
    parent = await context.versions.live_number(shop.org)
    inherited = await context.versions.derive_inherited(shop.org, rule_set, parent=parent)
    return await draft_for(context, shop, rule_set, inherited, parent)


async def create_rollback_draft(context: Context, shop: Shop, *, to: int) -> Draft:
    """Draft the rules of an earlier version. It revokes tags that later versions gave, and restores those they took.

    The latest version is rolled back without approval for a day. Raises NotFound, Refused.
    """
    versions = context.versions
    parent = await versions.live_number(shop.org)
    if not 0 < to < parent:
        raise Refused(
            f"there is nothing to roll back to: version {parent} is live, {to} is not an earlier one"
        )
    restored = await versions.document(shop.org, to)
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
    guard = msgspec.structs.replace(draft.report.guard, needs_approval=False, why=())
    return replace(draft, report=replace(draft.report, guard=guard))


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
    population, unreadable = await preview.load_population_and_unreadable(
        context.redis,
        shop.org,
        compiled,
        now_ms=await context.now_ms(),
        cipher=shop.cipher,
        restores=restores,
    )
    lacking = len({customer.id for customer in population.customers}.intersection(unreadable))
    customers = await snapshots.get_count(context.redis, shop.org)
    number = parent + 1 if number is None else number
    report = preview.build_report(
        shop, population, compiled, version=number, customers=customers, lacking=lacking
    )
    return Draft(rule_set, inherited, compiled, parent, live_rules, report, shop.shadow)
