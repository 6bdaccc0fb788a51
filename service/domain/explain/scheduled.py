"""When each rule's answer for one customer may next change by itself."""

from __future__ import annotations

from collections.abc import Mapping

from service.domain.customers import Customer, apply_change, fold, tag_set
from service.domain.decisions import Decision
from service.domain.engine import CompiledRule, CompiledRules, CompiledTier


def next_change_by_rule(
    *, compiled: CompiledRules, customer: Customer, decision: Decision, today: int
) -> Mapping[str, int | None]:
    """For each live rule and tier the first later day (ordinal) on which it may decide otherwise.

    Its own date conditions count, the end of its own hold, and the same of every rule whose tags it
    reads. `customer` and `today` are those of the decision. None: only an event will change it.
    """
    facts = compiled.build_facts(customer, today)
    facts.tags = frozenset(map(fold, apply_change(tag_set(customer.tags), decision.change).names))
    own: dict[str, int] = {}
    for maker, flip in compiled.next_change_by_rule:
        if (on := flip(facts)) is not None:
            own[maker] = on
    for outcome in decision.retained:
        if outcome.until is not None:
            own[outcome.rule] = min(outcome.until, own.get(outcome.rule, outcome.until))
    live: tuple[CompiledRule | CompiledTier, ...] = (*compiled.rules, *compiled.tiers)
    return {
        one.id: min((own[other] for other in (one.id, *one.depends_on) if other in own), default=None)
        for one in live
    }
