"""Explains one customer: folds the outcomes of its decision by tag, by rule and by tier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from service.domain.customers import Customer, apply_change, fold, tag_set
from service.domain.decisions import CustomerState, Decision, TagOutcome, decide_with_restores
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
from service.domain.explain.trace import missing_fields, trace


def explain_customer(compiled: CompiledRules, inputs: ExplainInput) -> CustomerExplanation:
    """Decide and explain, for today or any other day. Nothing is written."""
    decision = _decide(compiled, inputs.customer, inputs.state, inputs, inputs.today)
    context = _Context(compiled, inputs, decision)
    return CustomerExplanation(
        input=inputs,
        rule_set=compiled,
        tags=tuple(_explain_tag(context, tag) for tag in inputs.customer.tags),
        rules=tuple(_explain_rule(context, rule) for rule in compiled.rules),
        tiers=tuple(_explain_tier(context, tier) for tier in compiled.tiers),
        add=tuple(tag for tag in decision.change.add if fold(tag) not in inputs.suppressed),
        remove=tuple(tag for tag in decision.change.remove if fold(tag) not in inputs.suppressed),
        next_change=decision.next_change,
    )


def next_change_by_rule(
    *, compiled: CompiledRules, customer: Customer, decision: Decision, today: int
) -> Mapping[str, int | None]:
    """Return for each live rule and tier the first later day (ordinal) on which its decision may change.

    A rule may change by its own dates, at the end of its own hold, and on the days of every rule whose tags it
    reads. `customer` and `today` are those of the decision. None: no day changes it.
    """
    facts = compiled.build_facts(customer, today)
    facts.tags = frozenset(map(fold, apply_change(tag_set(customer.tags), decision.change).names))
    own_days: dict[str, int] = {}
    undecided = compiled.undecided_rules(customer)
    for rule_id, next_change in compiled.next_change_by_rule:
        if rule_id not in undecided and (day := next_change(facts)) is not None:
            own_days[rule_id] = day
    for outcome in decision.retained:
        if outcome.until is not None:
            own_days[outcome.rule] = min(outcome.until, own_days.get(outcome.rule, outcome.until))
    live: tuple[CompiledRule | CompiledTier, ...] = (*compiled.rules, *compiled.tiers)
    return {
        rule.id: min((own_days[id_] for id_ in (rule.id, *rule.depends_on) if id_ in own_days), default=None)
        for rule in live
    }


class _Context:
    """A decision, its outcomes by tag, and the facts that each rule and tier was decided with."""

    def __init__(self, compiled: CompiledRules, inputs: ExplainInput, decision: Decision) -> None:
        self.compiled, self.inputs, self.decision = compiled, inputs, decision
        self.present = {fold(tag): tag for tag in inputs.customer.tags}
        self.outcomes: dict[str, list[TagOutcome]] = {}  # by folded tag
        for outcome in decision.outcomes:
            self.outcomes.setdefault(fold(outcome.tag), []).append(outcome)
        self.spelling = {fold(outcome.tag): outcome.tag for outcome in decision.changes} | self.present
        self.facts = dict(_facts_by_rule(compiled, inputs, decision))
        self.next_change = next_change_by_rule(
            compiled=compiled, customer=inputs.customer, decision=decision, today=inputs.today
        )
        self._later: dict[int, Decision] = {}  # by day

    def change(self, key: str) -> TagOutcome | None:
        """The outcome that adds or removes a tag, if there is one."""
        outcomes = self.outcomes.get(key, ())
        return next((outcome for outcome in outcomes if outcome.effect in ("add", "remove")), None)

    def scheduled_change(self, rule_id: str, keys: frozenset[str]) -> ScheduledChange | None:
        """Return what happens to these tags on the day on which the rule or tier may change."""
        day = self.next_change[rule_id]
        if day is None:
            return None
        if day not in self._later:
            inputs, tags = self.inputs, apply_change(tag_set(self.inputs.customer.tags), self.decision.change)
            customer = msgspec.structs.replace(inputs.customer, tags=tags.names)
            self._later[day] = _decide(self.compiled, customer, self.decision.state, inputs, day)
        change = self._later[day].change
        return ScheduledChange(
            day,
            adds=tuple(tag for tag in change.add if fold(tag) in keys),
            removes=tuple(tag for tag in change.remove if fold(tag) in keys),
        )


def _decide(
    compiled: CompiledRules, customer: Customer, state: CustomerState, inputs: ExplainInput, day: int
) -> Decision:
    return decide_with_restores(
        rules=compiled,
        customer=customer,
        state=state,
        today=day,
        now_ms=inputs.now_ms,
        version=inputs.version,
    )


def _facts_by_rule(
    compiled: CompiledRules, inputs: ExplainInput, decision: Decision
) -> Iterator[tuple[str, Facts]]:
    """Yield for each rule and tier the facts that it was decided with: the tags as earlier steps left them."""
    tags = frozenset(map(fold, inputs.customer.tags))
    changes = {fold(outcome.tag): outcome.effect == "add" for outcome in decision.changes}
    tags -= {key for key, is_added in changes.items() if key not in compiled.managed_tags and not is_added}
    for step in compiled.steps:
        facts = build_facts(inputs.customer, inputs.today, calendar=compiled.calendar)
        facts.tags = tags
        keys = frozenset({step.key}) if isinstance(step, TagStep) else frozenset(step.level_by_tag)
        for rule_id in step.rule_ids:
            yield rule_id, facts
        tags = (tags | {key for key in keys if changes.get(key) is True}) - {
            key for key in keys if changes.get(key) is False
        }


def _explain_tag(context: _Context, tag: str) -> TagExplanation:
    key, inputs = fold(tag), context.inputs
    change = context.change(key)
    will_be_removed = change is not None and change.effect == "remove" and key not in inputs.suppressed
    owned = inputs.state.ownership.get(key)
    if owned is not None:
        origin: TagOrigin = "adopted" if owned.adopted else "ours"
        return TagExplanation(tag, origin, owned.rule, owned.version, owned.since_ms, will_be_removed)
    intent = inputs.intents.get(key)
    if intent is not None:
        return TagExplanation(tag, "under_way", intent.rule, intent.version, intent.at_ms, will_be_removed)
    external = inputs.external_changes.get(key)
    since_ms = external.at_ms if external is not None and external.added else 0
    return TagExplanation(tag, "others", since_ms=since_ms, will_be_removed=will_be_removed)


def _explain_rule(context: _Context, rule: CompiledRule) -> RuleExplanation:
    keys = frozenset({rule.key})
    traced = trace(
        rule.when,
        facts=context.facts[rule.id],
        customer=context.inputs.customer,
        own_tags=keys,
        spelling=context.spelling,
    )
    missing = missing_fields(rule.rule.expressions, context.inputs.customer)
    status, until = _status(context, rule, matched=traced.matched)
    hold = context.decision.state.holds.get(rule.id)
    passive = status in ("excluded", "undecided")
    scheduled = None if passive else context.scheduled_change(rule.id, keys)
    return RuleExplanation(rule, traced, status, until, hold, scheduled, missing)


def _status(context: _Context, rule: CompiledRule, *, matched: bool | None) -> tuple[RuleStatus, int | None]:
    """Return the status of the rule's tag as this rule sees it, and the day on which its hold ends."""
    if rule.id in context.inputs.state.excluded_rules:
        return "excluded", None
    if matched is None:
        return "undecided", None
    outcomes = context.outcomes.get(rule.key, [])
    change, is_suppressed = context.change(rule.key), rule.key in context.inputs.suppressed
    if change is not None and change.effect == "remove":
        return "stopped" if is_suppressed else "loses", None
    if change is not None:
        return ("stopped" if is_suppressed else "gets") if matched else "other_rule", None
    if rule.key not in context.present:
        return "none", None
    if any(outcome.effect == "have" for outcome in outcomes):
        return "has" if matched else "other_rule", None
    own = next((outcome for outcome in outcomes if outcome.rule == rule.id), None)
    if own is not None and own.cause == "kept":
        return "kept", own.until
    causes = {outcome.cause for outcome in outcomes}
    statuses: tuple[RuleStatus, ...] = ("left", "not_ours", "excluded")
    return next((status for status in statuses if status in causes), "other_rule"), None


def _explain_tier(context: _Context, tier: CompiledTier) -> TierExplanation:
    keys, facts = frozenset(tier.level_by_tag), context.facts[tier.id]
    traces = tuple(
        trace(
            level.when,
            facts=facts,
            customer=context.inputs.customer,
            own_tags=keys,
            spelling=context.spelling,
        )
        for level in tier.levels
    )
    retained = context.decision.retained
    held = next((item for item in retained if item.rule == tier.id and item.cause == "downgrade"), None)
    is_excluded = tier.id in context.inputs.state.excluded_rules
    missing = missing_fields(tier.tier.expressions, context.inputs.customer)
    return TierExplanation(
        tier=tier,
        traces=traces,
        current=min(
            (index for key, index in tier.level_by_tag.items() if key in context.present), default=None
        ),
        earned=None if missing else next((at for at, traced in enumerate(traces) if traced.matched), None),
        is_waiting=held is not None,
        until=held.until if held is not None else None,
        is_excluded=is_excluded,
        scheduled=None if is_excluded or missing else context.scheduled_change(tier.id, keys),
        missing=missing,
    )
