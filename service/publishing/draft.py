"""Drafts: rules that may be published, and what they would do; nothing is written here."""

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

UNDO_MS: Final = 24 * 3_600_000  # so long the latest version is undone without approval


@dataclass(frozen=True, slots=True)
class Draft:
    """Rules that may be published after `parent`, whose rules are `before`, and what they would do.

    `shadow`: the shop is in shadow mode, so nothing of it is written until that ends.
    """

    rule_set: RuleSet
    past: Inheritance
    compiled: CompiledRules
    parent: int
    before: RuleSet
    shown: PreviewReport
    shadow: bool = False


def draft_diff_lines(drafted: Draft, *, words: Translator) -> list[str]:
    """What differs from the live rules, a line for each rule and tier."""
    return [summarize_change(one, translator=words) for one in diff_rules(drafted.before, drafted.rule_set)]


def draft_to_dict(drafted: Draft, *, words: Translator) -> dict[str, Any]:
    """All that somebody should see before publishing, as plain data."""
    warned = [
        describe_warning(one, translator=words, compiled=drafted.compiled) for one in drafted.shown.warnings
    ]
    return preview.to_dict(drafted.shown) | {
        "parent": drafted.parent,
        "changes": draft_diff_lines(drafted, words=words),
        "warnings": warned,
        "shadow": drafted.shadow,
    }


async def create_draft(context: Context, shop: Shop, rule_set: RuleSet) -> Draft:
    """Look at what publishing these rules now would do; nothing is written."""
    parent = await context.versions.live_number(shop.org)
    past = await context.versions.derive_inherited(shop.org, rule_set, parent=parent)
    return await draft_for(context, shop, rule_set, past, parent)


async def create_rollback_draft(context: Context, shop: Shop, *, to: int) -> Draft:
    """The rules of an earlier version, taking back what the versions since gave by mistake, and putting back what
    they took; the latest is undone without approval for a day. Raises NotFound, Refused."""
    versions = context.versions
    parent = await versions.live_number(shop.org)
    if not 0 < to < parent:
        raise Refused(
            f"there is nothing to roll back to: version {parent} is live, {to} is not an earlier one"
        )
    restored = await versions.document(shop.org, to)
    undone = {number: await versions.document(shop.org, number) for number in range(to + 1, parent + 1)}
    inherited = await versions.derive_inherited(shop.org, restored, parent=parent)
    past = inherit_rollback(
        inherited, undone=undone, restored=restored, target=await versions.inherited(shop.org, to)
    )
    back = await rollback.collect_restores(context.redis, shop.org, undone, by=parent + 1, versions=versions)
    drafted = await draft_for(context, shop, restored, past, parent, back)
    published_ms = (await versions.get(shop.org, parent)).at_ms
    if to < parent - 1 or await context.now_ms() - published_ms >= UNDO_MS:
        return drafted
    free = msgspec.structs.replace(drafted.shown.guard, needs_approval=False, why=())
    return replace(drafted, shown=replace(drafted.shown, guard=free))


async def draft_for(
    context: Context,
    shop: Shop,
    rule_set: RuleSet,
    past: Inheritance,
    parent: int,
    restores: RestoresByCustomer = preview.NO_RESTORES,
    *,
    number: int | None = None,
) -> Draft:
    """What these rules would do to everybody known as version `number`: the one after `parent`, unless it is said."""
    check_currency(rule_set, shop.currency)
    compiled = compile_version(rule_set, inherited=past)
    before = await context.versions.document(shop.org, parent) if parent else RuleSet()
    people = await preview.load_population(
        context.redis, shop.org, compiled, now_ms=await context.now_ms(), restores=restores
    )
    customers = await snapshots.get_count(context.redis, shop.org)
    number = parent + 1 if number is None else number
    shown = preview.build_report(shop, people, compiled, version=number, customers=customers)
    return Draft(rule_set, past, compiled, parent, before, shown, shop.shadow)
