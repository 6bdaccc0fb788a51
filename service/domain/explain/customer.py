"""Explaining one customer: the outcomes of the decision, as seen by every tag, rule and tier."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from service.domain.customers import Customer, apply_change, fold, tag_set
from service.domain.decisions import CustomerState, Decision, Ownership, TagOutcome, decide_with_restores
from service.domain.engine import CompiledRule, CompiledRules, CompiledTier, Facts, TagStep, build_facts
from service.domain.explain.model import (
    CustomerExplanation,
    ExplainInput,
    RuleExplanation,
    RuleStatus,
    ScheduledChange,
    TagExplanation,
    TagOrigin,
    TierExplanation,
)
from service.domain.explain.scheduled import next_change_by_rule
from service.domain.explain.trace import trace


def explain_customer(compiled: CompiledRules, known: ExplainInput) -> CustomerExplanation:
    """Decide and explain, for today or for any other day. Nothing is written."""
    decision = _decide(compiled, known.customer, known.state, known, known.today)
    scene = _Explanation(compiled, known, decision)
    return CustomerExplanation(
        input=known,
        rule_set=compiled,
        tags=tuple(_tag(scene, tag) for tag in known.customer.tags),
        rules=tuple(_rule(scene, rule) for rule in compiled.rules),
        tiers=tuple(_tier(scene, tier) for tier in compiled.tiers),
        add=tuple(tag for tag in decision.change.add if fold(tag) not in known.suppressed),
        remove=tuple(tag for tag in decision.change.remove if fold(tag) not in known.suppressed),
        next_change=decision.next_change,
    )


class _Explanation:
    """The decision, its outcomes by tag, and the facts as each step saw them."""

    def __init__(self, compiled: CompiledRules, known: ExplainInput, decision: Decision) -> None:
        self.compiled, self.known, self.decision = compiled, known, decision
        self.there = {fold(tag): tag for tag in known.customer.tags}
        self.outcomes: dict[str, list[TagOutcome]] = {}  # by folded tag
        for outcome in decision.outcomes:
            self.outcomes.setdefault(fold(outcome.tag), []).append(outcome)
        self.spelled = {fold(outcome.tag): outcome.tag for outcome in decision.changes} | self.there
        self.facts = dict(_facts_by_step(compiled, known, decision))
        self.next = next_change_by_rule(
            compiled=compiled, customer=known.customer, decision=decision, today=known.today
        )
        self._coming: dict[int, Decision] = {}

    def change(self, key: str) -> TagOutcome | None:
        """How a tag is added or removed, if it is."""
        return next((one for one in self.outcomes.get(key, ()) if one.effect in ("add", "remove")), None)

    def coming(self, maker: str, keys: frozenset[str]) -> ScheduledChange | None:
        """What happens to these tags on the day on which the rule or tier may change."""
        day = self.next[maker]
        if day is None:
            return None
        if day not in self._coming:
            known, then = self.known, apply_change(tag_set(self.known.customer.tags), self.decision.change)
            customer = msgspec.structs.replace(known.customer, tags=then.names)
            self._coming[day] = _decide(self.compiled, customer, self.decision.state, known, day)
        change = self._coming[day].change
        return ScheduledChange(
            day,
            tuple(tag for tag in change.add if fold(tag) in keys),
            tuple(tag for tag in change.remove if fold(tag) in keys),
        )


def _decide(
    compiled: CompiledRules, customer: Customer, standing: CustomerState, known: ExplainInput, day: int
) -> Decision:
    return decide_with_restores(
        rules=compiled,
        customer=customer,
        state=standing,
        today=day,
        now_ms=known.now_ms,
        version=known.version,
    )


def _facts_by_step(
    compiled: CompiledRules, known: ExplainInput, decision: Decision
) -> Iterator[tuple[str, Facts]]:
    """For each rule and tier the facts that it was decided with: earlier steps have changed the tags already."""
    tags = frozenset(map(fold, known.customer.tags))
    changes = {fold(one.tag): one.effect == "add" for one in decision.changes}
    tags -= {key for key, added in changes.items() if key not in compiled.managed_tags and not added}
    for step in compiled.steps:
        facts = build_facts(known.customer, known.today, calendar=compiled.calendar)
        facts.tags = tags
        keys = frozenset({step.key}) if isinstance(step, TagStep) else frozenset(step.level_by_tag)
        for one in step.rule_ids:
            yield one, facts
        tags = (tags | {key for key in keys if changes.get(key) is True}) - {
            key for key in keys if changes.get(key) is False
        }


def _tag(scene: _Explanation, tag: str) -> TagExplanation:
    key, known = fold(tag), scene.known
    own: Ownership | None = known.state.ownership.get(key)
    change = scene.change(key)
    leaves = change is not None and change.effect == "remove" and key not in known.suppressed
    if own is not None:
        whose: TagOrigin = "adopted" if own.adopted else "ours"
        return TagExplanation(tag, whose, own.rule, own.version, own.since_ms, leaves)
    intent = known.intents.get(key)
    if intent is not None:
        return TagExplanation(tag, "under_way", intent.rule, intent.version, intent.at_ms, leaves)
    touch = known.external_changes.get(key)
    since_ms = touch.at_ms if touch is not None and touch.added else 0
    return TagExplanation(tag, "others", since_ms=since_ms, will_be_removed=leaves)


def _rule(scene: _Explanation, rule: CompiledRule) -> RuleExplanation:
    keys = frozenset({rule.key})
    found = trace(
        rule.when,
        facts=scene.facts[rule.id],
        customer=scene.known.customer,
        own=keys,
        spelled=scene.spelled,
    )
    state, until = _state(scene, rule, found.matched)
    hold = scene.decision.state.holds.get(rule.id)
    coming = None if state == "excluded" else scene.coming(rule.id, keys)
    return RuleExplanation(rule, found, state, until, hold, coming)


def _state(scene: _Explanation, rule: CompiledRule, matched: bool) -> tuple[RuleStatus, int | None]:
    """What the decision says of a rule's tag, as seen by this rule, and until when."""
    if rule.id in scene.known.state.excluded_rules:
        return "excluded", None
    outcomes = scene.outcomes.get(rule.key, [])
    change, stopped = scene.change(rule.key), rule.key in scene.known.suppressed
    if change is not None and change.effect == "remove":
        return "stopped" if stopped else "loses", None
    if change is not None:
        return ("stopped" if stopped else "gets") if matched else "other_rule", None
    if rule.key not in scene.there:
        return "none", None
    if any(outcome.effect == "have" for outcome in outcomes):
        return "has" if matched else "other_rule", None
    mine = next((outcome for outcome in outcomes if outcome.rule == rule.id), None)
    if mine is not None and mine.cause == "kept":
        return "kept", mine.until
    causes = {outcome.cause for outcome in outcomes}
    states: tuple[RuleStatus, ...] = ("left", "not_ours", "excluded")
    return next((state for state in states if state in causes), "other_rule"), None


def _tier(scene: _Explanation, tier: CompiledTier) -> TierExplanation:
    keys, facts = frozenset(tier.level_by_tag), scene.facts[tier.id]
    found = tuple(
        trace(level.when, facts=facts, customer=scene.known.customer, own=keys, spelled=scene.spelled)
        for level in tier.levels
    )
    held = next(
        (one for one in scene.decision.retained if one.rule == tier.id and one.cause == "downgrade"), None
    )
    excluded = tier.id in scene.known.state.excluded_rules
    return TierExplanation(
        tier=tier,
        traces=found,
        current=min((at for key, at in tier.level_by_tag.items() if key in scene.there), default=None),
        earned=next((at for at, one in enumerate(found) if one.matched), None),
        is_waiting=held is not None,
        until=held.until if held is not None else None,
        excluded=excluded,
        scheduled=None if excluded else scene.coming(tier.id, keys),
    )
