"""Drafts: rules that may be published, and what they would do; nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from service.context import Context
from service.domain.differences import differences, headline
from service.domain.evaluation import Compiled
from service.domain.ownership import Past, undo
from service.domain.rollback import RestoresByCustomer
from service.domain.rules import RuleSet
from service.domain.warnings import say_warning
from service.domain.words import Words
from service.errors import Refused
from service.store import census, previews, restoring
from service.store.previews import Shown
from service.store.shop import Shop
from service.store.versions import check_currency, made_ready

UNDO_MS: Final = 24 * 3_600_000  # so long the latest version is undone without approval


@dataclass(frozen=True, slots=True)
class Draft:
    """Rules that may be published after `parent`, whose rules are `before`, and what they would do.

    `shadow`: the shop is in shadow mode, so nothing of it is written until that ends.
    """

    rule_set: RuleSet
    past: Past
    compiled: Compiled
    parent: int
    before: RuleSet
    shown: Shown
    shadow: bool = False


def changes(drafted: Draft, *, words: Words) -> list[str]:
    """What differs from the live rules, a line for each rule and tier."""
    return [headline(one, words=words) for one in differences(drafted.before, drafted.rule_set)]


def as_data(drafted: Draft, *, words: Words) -> dict[str, Any]:
    """All that somebody should see before publishing, as plain data."""
    warned = [say_warning(one, words=words, compiled=drafted.compiled) for one in drafted.shown.warnings]
    return previews.as_data(drafted.shown) | {
        "parent": drafted.parent,
        "changes": changes(drafted, words=words),
        "warnings": warned,
        "shadow": drafted.shadow,
    }


async def draft(context: Context, shop: Shop, rule_set: RuleSet) -> Draft:
    """Look at what publishing these rules now would do; nothing is written."""
    parent = await context.versions.live_number(shop.org)
    past = await context.versions.inheritance(shop.org, rule_set, parent=parent)
    return await drafted_as(context, shop, rule_set, past, parent)


async def draft_rollback(context: Context, shop: Shop, *, to: int) -> Draft:
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
    inherited = await versions.inheritance(shop.org, restored, parent=parent)
    past = undo(inherited, undone=undone, restored=restored, target=await versions.past(shop.org, to))
    back = await restoring.gather(context.redis, shop.org, undone, by=parent + 1, versions=versions)
    drafted = await drafted_as(context, shop, restored, past, parent, back)
    published_ms = (await versions.get(shop.org, parent)).at_ms
    if to < parent - 1 or await context.now_ms() - published_ms >= UNDO_MS:
        return drafted
    free = msgspec.structs.replace(drafted.shown.guard, needs_approval=False, why=())
    return replace(drafted, shown=replace(drafted.shown, guard=free))


async def drafted_as(
    context: Context,
    shop: Shop,
    rule_set: RuleSet,
    past: Past,
    parent: int,
    restores: RestoresByCustomer = previews.NO_RESTORES,
    *,
    number: int | None = None,
) -> Draft:
    """What these rules would do to everybody known as version `number`: the one after `parent`, unless it is said."""
    check_currency(rule_set, shop.currency)
    compiled = made_ready(rule_set, past=past)
    before = await context.versions.document(shop.org, parent) if parent else RuleSet()
    people = await previews.gather(
        context.redis, shop.org, compiled, now_ms=await context.now_ms(), restores=restores
    )
    customers = await census.counted(context.redis, shop.org)
    number = parent + 1 if number is None else number
    shown = previews.show(shop, people, compiled, version=number, customers=customers)
    return Draft(rule_set, past, compiled, parent, before, shown, shop.shadow)
