"""The impact of rules on all customers of a shop: the preview and the publish plan fold over the same decisions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Final, NamedTuple

import msgspec

from service.domain.customers import fold
from service.domain.decisions import CustomerState, Decision, decide_with_restores, fast_path
from service.domain.engine import CompiledRules, CompiledTier, Facts, FastResult, TagStep
from service.domain.preview.population import Population

MAX_SAMPLES: Final = 20

# Levels before and after, as indexes from the top; the number of levels means no level. True: `downgrade` holds it.
Move = tuple[int, int, bool]

_EFFECTS: Final = (
    "added",
    "removed",
    "kept",
    "downgrade",
    "not_ours",
    "left",
    "excluded",
    "undecided",
    "stopped",
)
_NO_TAGS: Final[frozenset[str]] = frozenset()


class TagPreview(msgspec.Struct, frozen=True):
    """The number of customers by effect on one tag.

    `samples`: effect -> ids of some of these customers, the same ids every time.
    """

    tag: str
    rules: tuple[str, ...]  # ids of the rules or the tier that set it; empty if no live rule does
    added: int
    removed: int
    unchanged: int
    kept: int  # held by `keep`
    downgrade: int  # a lost level that is held by `downgrade`
    not_ours: int
    left: int
    excluded: int
    undecided: int  # a rule reads a field that the record lacks, so the tag stays
    stopped: int  # not written for a day, because people reverted it three times
    samples: dict[str, tuple[int, ...]]


class TierMove(msgspec.Struct, frozen=True):
    """The customers that move from one level to another. None is no level. `waits`: `downgrade` still holds them."""

    source: str | None
    target: str | None
    customers: int
    waits: bool
    samples: tuple[int, ...]


class TierPreview(msgspec.Struct, frozen=True):
    """The moves in a tier. `stay`: the customers that stay on each level, from the top, and last on no level."""

    id: str
    levels: tuple[str, ...]
    moves: tuple[TierMove, ...]
    stay: tuple[int, ...]


class Preview(msgspec.Struct, frozen=True):
    """The effect of a publish. `touched`, `adding` and `removing` count customers, `added` and `removed` tags."""

    customers: int
    touched: int
    adding: int
    removing: int
    added: int
    removed: int
    tags: tuple[TagPreview, ...]
    tiers: tuple[TierPreview, ...]
    matched: dict[str, int]  # rule id, or `tier id:level tag` -> customers that match
    undecided: dict[str, int]  # rule or tier id -> customers whose record lacks a field that it reads


class PublishPlan(NamedTuple):
    """The customers that a publish must mark, and the days on which customers are due again.

    `tag_changes`: ids of the customers that gain or lose tags. `state_changes`: ids of the customers whose stored
    state changes, with or without a tag: ownership moves to another rule, or a hold starts or ends. They must be
    marked too; otherwise a hold would start on whatever day the customer is evaluated next. `next_change_days`:
    customer id and day (ordinal). `undecided`: ids of the customers whose decision raised an error. It is a bug that
    concerns nobody else; their drain reports it.
    """

    tag_changes: list[int]
    state_changes: list[int]
    next_change_days: list[tuple[int, int]]
    undecided: list[int]


def preview(population: Population, compiled: CompiledRules, *, version: int = 0) -> Preview:
    """Decide for each customer and count the effects."""
    return _count(population, compiled, _group_by_impact(population, compiled, version))


def publish_plan(population: Population, compiled: CompiledRules, *, version: int = 0) -> PublishPlan:
    """Decide for each customer, and collect the customers to mark and the calendar."""
    plan = PublishPlan([], [], [], [])
    for index, customer in enumerate(population.customers):
        before = population.states[index]
        try:
            decision = _decide(population, compiled, index, version)
        except Exception:  # noqa: BLE001  # around one customer's record
            plan.undecided.append(customer.id)
            continue
        suppressed = population.suppressed.get(index, _NO_TAGS)
        if any(fold(tag) not in suppressed for tag in (*decision.change.add, *decision.change.remove)):
            plan.tag_changes.append(customer.id)
        if _changes_state(before, decision.state):
            plan.state_changes.append(customer.id)
        if decision.next_change is not None:
            plan.next_change_days.append((customer.id, decision.next_change))
    return plan


class _Impact(NamedTuple):
    """The effects on one customer. Many customers have equal impacts.

    `effects`: folded tags, each with 'unchanged' or one of _EFFECTS. `matched`: keys of `Preview.matched`. `moves`:
    by tier id, without the tiers that decide nothing for the customer. `undecided`: rule and tier ids.
    """

    effects: tuple[tuple[str, str], ...]
    matched: tuple[str, ...]
    moves: tuple[tuple[str, Move], ...]
    undecided: frozenset[str] = _NO_TAGS


# A decision that raises an error is a bug that concerns nobody else: the customer counts without any effect.
_NO_IMPACT: Final = _Impact((), (), ())


def _group_by_impact(
    population: Population, compiled: CompiledRules, version: int
) -> dict[_Impact, list[int]]:
    """Group the indexes of the customers by impact."""
    by_result: dict[FastResult, list[int]] = {}
    by_impact: dict[_Impact, list[int]] = {}
    build_facts, today, suppressed = compiled.build_facts, population.today, population.suppressed
    for index, (customer, state) in enumerate(zip(population.customers, population.states, strict=True)):
        try:
            facts = build_facts(customer, today)
            is_undecided = customer.missing and compiled.undecided_rules(customer)
            result = None if is_undecided else fast_path(compiled, facts, state, tags_only=True)
            if result is None or index in suppressed:
                impact = _impact_of_decision(population, compiled, index, facts, version)
                by_impact.setdefault(impact, []).append(index)
                continue
        except Exception:  # noqa: BLE001  # around one customer's record
            by_impact.setdefault(_NO_IMPACT, []).append(index)
            continue
        if result in by_result:
            by_result[result].append(index)
        else:
            by_result[result] = [index]
    for result, indexes in by_result.items():
        by_impact.setdefault(_impact_of_fast_result(compiled, result), []).extend(indexes)
    return by_impact


def _impact_of_fast_result(compiled: CompiledRules, result: FastResult) -> _Impact:
    missing, wanted = frozenset(result.missing), {fold(tag): tag for tag in result.wanted}
    effects = [(key, "added" if key in missing else "unchanged") for key in wanted]
    effects += [(key, "removed" if key in result.lost else "not_ours") for key in result.unwanted]
    effects += [(key, "removed" if key in result.lost else "left") for key in result.orphans]
    matched = [*result.matched]
    steps = (compiled.step_by_tag[key] for key in wanted)
    matched += [step.rules[0].id for step in steps if isinstance(step, TagStep) and len(step.rules) == 1]
    moves: list[tuple[str, Move]] = []
    for tier in compiled.tiers:
        present = frozenset((wanted.keys() - missing) | {*result.unwanted})
        target = _highest_level(tier, frozenset(wanted))
        moves.append((tier.id, (_highest_level(tier, present), target, False)))
        if target < len(tier.levels):
            matched.append(f"{tier.id}:{tier.levels[target].tag}")
    return _Impact(tuple(effects), tuple(matched), tuple(moves))


def _impact_of_decision(
    population: Population, compiled: CompiledRules, index: int, facts: Facts, version: int
) -> _Impact:
    decision = _decide(population, compiled, index, version)
    suppressed = population.suppressed.get(index, _NO_TAGS)
    undecided = compiled.undecided_rules(population.customers[index])
    effects: dict[tuple[str, str], None] = {}
    waiting_tiers: set[str] = set()
    for key, effect, rule in _effects_of(decision):
        is_stopped = key in suppressed and effect in {"added", "removed"}
        effects[key, "stopped" if is_stopped else effect] = None
        if effect == "downgrade":
            waiting_tiers.add(rule)
    added = frozenset(map(fold, decision.change.add))
    removed = frozenset(map(fold, decision.change.remove))
    # No rule reads a tag before that tag is decided: with the final tags each rule gives the answer that it gave.
    after = copy(facts)
    after.tags = (facts.tags | added) - removed
    written = (facts.tags | (added - suppressed)) - (removed - suppressed)
    matched = [rule.id for rule in compiled.rules if rule.id not in undecided and rule.matches(after)]
    moves: list[tuple[str, Move]] = []
    for tier in compiled.tiers:
        if tier.id in undecided:
            continue
        target = _earned_level(tier, after)
        if target < len(tier.levels):
            matched.append(f"{tier.id}:{tier.levels[target].tag}")
        if tier.id not in population.states[index].excluded_rules:
            if written & tier.level_by_tag.keys() != after.tags & tier.level_by_tag.keys():
                target = _highest_level(tier, written)
            moves.append((tier.id, (_highest_level(tier, facts.tags), target, tier.id in waiting_tiers)))
    return _Impact(tuple(effects), tuple(matched), tuple(moves), undecided)


def _changes_state(before: CustomerState, after: CustomerState) -> bool:
    """Whether ownership or holds change. A decision also settles the restores, which alone is no change."""
    if not before.restores:
        return after is not before
    return (after.ownership, after.holds) != (before.ownership, before.holds)


def _decide(population: Population, compiled: CompiledRules, index: int, version: int) -> Decision:
    return decide_with_restores(
        rules=compiled,
        customer=population.customers[index],
        state=population.states[index],
        today=population.today,
        now_ms=population.now_ms,
        version=version,
    )


def _effects_of(decision: Decision) -> Iterator[tuple[str, str, str]]:
    """Yield each folded tag of a decision with its effect, and the rule or tier if the outcome names one."""
    added = frozenset(map(fold, decision.change.add))
    for outcome in decision.outcomes:
        key = fold(outcome.tag)
        if outcome.effect == "add":
            yield key, "added", outcome.rule
        elif outcome.effect == "remove":
            yield key, "removed", outcome.rule
        elif outcome.effect == "have":
            if key not in added:  # a restored tag also has the outcome that it would have if it had stayed
                yield key, "unchanged", ""
        else:
            yield key, outcome.cause, outcome.rule


def _earned_level(tier: CompiledTier, facts: Facts) -> int:
    return next((at for at, level in enumerate(tier.levels) if level.matches(facts)), len(tier.levels))


def _highest_level(tier: CompiledTier, tags: frozenset[str]) -> int:
    return min((tier.level_by_tag[key] for key in tags & tier.level_by_tag.keys()), default=len(tier.levels))


class _Counts(NamedTuple):
    """The sum of all impacts. Lists are indexes of customers."""

    effects: dict[tuple[str, str], list[int]]
    unchanged: Counter[str]
    matched: Counter[str]
    undecided: Counter[str]
    moves: dict[str, dict[Move, list[int]]]


def _count(
    population: Population, compiled: CompiledRules, impacts: Mapping[_Impact, Sequence[int]]
) -> Preview:
    counts = _Counts(
        defaultdict(list), Counter(), Counter(), Counter(), defaultdict(lambda: defaultdict(list))
    )
    touched = adding = removing = 0
    for impact, indexes in impacts.items():
        size = len(indexes)
        effects = set()
        for key, effect in impact.effects:
            if effect == "unchanged":
                counts.unchanged[key] += size
            else:
                counts.effects[key, effect].extend(indexes)
                effects.add(effect)
        for name in impact.matched:
            counts.matched[name] += size
        for name in impact.undecided:
            counts.undecided[name] += size
        for tier, move in impact.moves:
            counts.moves[tier][move].extend(indexes)
        adding += size * ("added" in effects)
        removing += size * ("removed" in effects)
        touched += size * (not effects.isdisjoint({"added", "removed"}))
    tags = tuple(_tag_previews(population, compiled, counts))
    return Preview(
        customers=len(population),
        touched=touched,
        adding=adding,
        removing=removing,
        added=sum(tag.added for tag in tags),
        removed=sum(tag.removed for tag in tags),
        tags=tags,
        tiers=tuple(_tier_preview(population, tier, counts.moves[tier.id]) for tier in compiled.tiers),
        matched={name: counts.matched[name] for name in _matched_keys(compiled)},
        undecided=dict(sorted(counts.undecided.items())),
    )


def _matched_keys(compiled: CompiledRules) -> Iterator[str]:
    for step in compiled.steps:
        if isinstance(step, TagStep):
            yield from (rule.id for rule in step.rules)
        else:
            yield from (f"{step.id}:{level.tag}" for level in step.levels)


def _tag_previews(population: Population, compiled: CompiledRules, counts: _Counts) -> Iterator[TagPreview]:
    """Yield tags that no live rule sets first."""
    live = {fold(tag): tag for rule in compiled.rule_set.all if rule.enabled for tag in rule.tags}
    for key, tag in {**_orphans(population, counts, live), **live}.items():
        by_effect = {
            effect: indexes for effect in _EFFECTS if (indexes := counts.effects.get((key, effect), []))
        }
        yield TagPreview(
            tag=tag,
            rules=tuple(rule for rule, keys in compiled.tags_by_rule.items() if key in keys),
            unchanged=counts.unchanged[key],
            samples={
                effect: population.sample(indexes, size=MAX_SAMPLES) for effect, indexes in by_effect.items()
            },
            **{effect: len(by_effect.get(effect, ())) for effect in _EFFECTS},
        )


def _orphans(population: Population, counts: _Counts, live: Mapping[str, str]) -> dict[str, str]:
    """Return the owned or restored tags that no live rule sets: folded tag -> the tag as it was given."""
    orphans: dict[str, str] = {}
    for (key, _), indexes in sorted(counts.effects.items()):
        state = population.states[indexes[0]]
        record = state.ownership.get(key) or state.restores.get(key)
        if key not in live and record is not None:
            orphans[key] = record.tag
    return orphans


def _tier_preview(
    population: Population, tier: CompiledTier, moves: Mapping[Move, Sequence[int]]
) -> TierPreview:
    names = [*(level.tag for level in tier.levels), None]
    return TierPreview(
        id=tier.id,
        levels=tuple(level.tag for level in tier.levels),
        moves=tuple(
            TierMove(
                source=names[source],
                target=names[target],
                customers=len(indexes),
                waits=waits,
                samples=population.sample(indexes, size=MAX_SAMPLES),
            )
            for (source, target, waits), indexes in sorted(moves.items())
            if source != target
        ),
        stay=tuple(
            sum(len(indexes) for (source, target, _), indexes in moves.items() if source == target == level)
            for level in range(len(names))
        ),
    )
