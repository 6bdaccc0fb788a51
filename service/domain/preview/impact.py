"""The impact of rules on all customers of a shop: what publishing them would do, cost and mark. A fold over decisions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Final, Literal, NamedTuple

import msgspec

from service.domain.customers import fold
from service.domain.decisions import Decision, decide_with_restores, fast_path
from service.domain.engine import CompiledRules, CompiledTier, Facts, FastResult, TagStep
from service.domain.preview.population import Population

MAX_SAMPLES: Final = 20
MAX_SHARE: Final = 0.05  # of the customers
MAX_REMOVED: Final = 2_000  # tags
BATCH_SIZE: Final = 50  # customers fetched by one call
CALLS_PER_S: Final = 4.0

Move = tuple[int, int, bool]  # level before, level after (the number of levels: none), whether it waits

_EFFECTS: Final = ("added", "removed", "kept", "downgrade", "not_ours", "left", "excluded", "stopped")
_NO_TAGS: Final[frozenset[str]] = frozenset()


class TagPreview(msgspec.Struct, frozen=True):
    """What happens to one tag: customers by effect.

    `samples`: effect -> ids of some customers, the same ones every time.
    """

    tag: str
    rules: tuple[str, ...]  # ids of the rules or the tier that set it; none if no live rule does
    added: int
    removed: int
    unchanged: int
    kept: int  # held by `keep`
    downgrade: int  # a lost level that is held by `downgrade`
    not_ours: int
    left: int
    excluded: int
    stopped: int  # reverted by people three times within a day: not written for a day
    samples: dict[str, tuple[int, ...]]


class TierMove(msgspec.Struct, frozen=True):
    """How many customers move from a level to another. None is no level. `waits`: `downgrade` still holds them."""

    source: str | None
    target: str | None
    customers: int
    waits: bool
    samples: tuple[int, ...]


class TierPreview(msgspec.Struct, frozen=True):
    """The moves in a tier. `stay`: how many customers stay on each level, from the top; the last is no level."""

    id: str
    levels: tuple[str, ...]
    moves: tuple[TierMove, ...]
    stay: tuple[int, ...]


class Preview(msgspec.Struct, frozen=True):
    """What publishing would do. `adding` and `removing` count customers, `added` and `removed` tags."""

    customers: int
    touched: int
    adding: int
    removing: int
    added: int
    removed: int
    tags: tuple[TagPreview, ...]
    tiers: tuple[TierPreview, ...]
    matched: dict[str, int]  # rule id, or `tier id:level tag` -> customers who match


class PublishPlan(NamedTuple):
    """Whom a publish must mark, and when each customer must be looked at again.

    `tag_changes`: ids of the customers who gain or lose tags. `state_changes`: ids of the customers whose stored
    state changes, with or without a tag: ownership moves to another rule, a hold starts or ends. They must be
    marked too, or the hold would start on the day of the next look, whenever that is. Customers with `restores`
    are left out: a roll-back marks them itself. `next_change_days`: customer id and day (ordinal).
    """

    tag_changes: list[int]
    state_changes: list[int]
    next_change_days: list[tuple[int, int]]


class WriteCost(msgspec.Struct, frozen=True):
    """API calls, and how long they take if nothing else is to be done."""

    calls: int
    seconds: int


class PublishGuard(msgspec.Struct, frozen=True):
    """Whether a publish needs approval. `why` names the limits that it exceeds."""

    needs_approval: bool
    why: tuple[Literal["share", "removals"], ...] = ()
    most_customers: int = 0
    most_removed: int = MAX_REMOVED


def preview(population: Population, compiled: CompiledRules, *, version: int = 0) -> Preview:
    """Count what deciding for each customer gives."""
    return _count(population, compiled, _impacts(population, compiled, version))


def publish_plan(population: Population, compiled: CompiledRules, *, version: int = 0) -> PublishPlan:
    """Decide for each customer; return whom a publish must mark, and the calendar."""
    plan = PublishPlan([], [], [])
    for index, customer in enumerate(population.customers):
        before = population.states[index]
        decision = _decide(population, compiled, index, version)
        stopped = population.suppressed.get(index, _NO_TAGS)
        if any(fold(tag) not in stopped for tag in (*decision.change.add, *decision.change.remove)):
            plan.tag_changes.append(customer.id)
        if decision.state is not before and not before.restores:
            plan.state_changes.append(customer.id)
        if decision.next_change is not None:
            plan.next_change_days.append((customer.id, decision.next_change))
    return plan


def estimate_cost(shown: Preview, *, one_call: bool = False, per_s: float = CALLS_PER_S) -> WriteCost:
    """Customers are fetched in batches; one call adds tags, one removes them.

    `one_call`: the dialect writes all tags of a customer at once.
    """
    writes = shown.touched if one_call else shown.adding + shown.removing
    calls = -(-shown.touched // BATCH_SIZE) + writes
    return WriteCost(calls, round(calls / per_s))


def check_guard(
    shown: Preview, *, max_share: float = MAX_SHARE, max_removed: int = MAX_REMOVED
) -> PublishGuard:
    """A publish that touches a larger share of the customers, or removes more tags, needs approval."""
    most = int(shown.customers * max_share)
    why: list[Literal["share", "removals"]] = []
    if shown.touched > most:
        why.append("share")
    if shown.removed > max_removed:
        why.append("removals")
    return PublishGuard(bool(why), tuple(why), most, max_removed)


class _Impact(NamedTuple):
    """What happens to one customer; equal for many.

    `effects`: folded tags, each with 'unchanged' or one of _EFFECTS. `matched`: keys of `Preview.matched`. `moves`:
    by tier id, without the tiers from which the customer is excluded.
    """

    effects: tuple[tuple[str, str], ...]
    matched: tuple[str, ...]
    moves: tuple[tuple[str, Move], ...]


def _impacts(population: Population, compiled: CompiledRules, version: int) -> dict[_Impact, list[int]]:
    """The indexes of the customers to whom the same happens."""
    plain: dict[FastResult, list[int]] = {}
    impacts: dict[_Impact, list[int]] = {}
    build_facts, today, stopped = compiled.build_facts, population.today, population.suppressed
    for index, (customer, state) in enumerate(zip(population.customers, population.states, strict=True)):
        facts = build_facts(customer, today)
        result = fast_path(compiled, facts, state, tags_only=True)
        if result is None or index in stopped:
            impact = _impact_of(population, compiled, index, facts, version)
            impacts.setdefault(impact, []).append(index)
        elif result in plain:
            plain[result].append(index)
        else:
            plain[result] = [index]
    for result, indexes in plain.items():
        impacts.setdefault(_fast_impact(compiled, result), []).extend(indexes)
    return impacts


def _fast_impact(compiled: CompiledRules, result: FastResult) -> _Impact:
    """The impact of what the fast path gives."""
    missing, wanted = frozenset(result.missing), {fold(tag): tag for tag in result.wanted}
    effects = [(key, "added" if key in missing else "unchanged") for key in wanted]
    effects += [(key, "removed" if key in result.lost else "not_ours") for key in result.unwanted]
    effects += [(key, "removed" if key in result.lost else "left") for key in result.orphans]
    steps = compiled.step_by_tag
    rules = (steps[key] for key in wanted)
    matched = [*result.matched]
    matched += [step.rules[0].id for step in rules if isinstance(step, TagStep) and len(step.rules) == 1]
    moves: list[tuple[str, Move]] = []
    for tier in compiled.tiers:
        there = frozenset((wanted.keys() - missing) | {*result.unwanted})
        target = _highest_level(tier, frozenset(wanted))
        moves.append((tier.id, (_highest_level(tier, there), target, False)))
        if target < len(tier.levels):
            matched.append(f"{tier.id}:{tier.levels[target].tag}")
    return _Impact(tuple(effects), tuple(matched), tuple(moves))


def _impact_of(
    population: Population, compiled: CompiledRules, index: int, facts: Facts, version: int
) -> _Impact:
    """The impact of the whole decision."""
    decision, stopped = (
        _decide(population, compiled, index, version),
        population.suppressed.get(index, _NO_TAGS),
    )
    effects: dict[tuple[str, str], None] = {}
    waiting: set[str] = set()
    for key, effect, rule in _effects_of(decision):
        is_stopped = key in stopped and effect in {"added", "removed"}
        effects[key, "stopped" if is_stopped else effect] = None
        if effect == "downgrade":
            waiting.add(rule)
    added = frozenset(map(fold, decision.change.add))
    removed = frozenset(map(fold, decision.change.remove))
    after = copy(
        facts
    )  # no rule reads a tag before it is decided: at the end each sees what it saw in its turn
    after.tags = (facts.tags | added) - removed
    written = (facts.tags | (added - stopped)) - (removed - stopped)
    matched = [rule.id for rule in compiled.rules if rule.matches(after)]
    moves: list[tuple[str, Move]] = []
    for tier in compiled.tiers:
        target = _earned_level(tier, after)
        if target < len(tier.levels):
            matched.append(f"{tier.id}:{tier.levels[target].tag}")
        if tier.id not in population.states[index].excluded_rules:
            if written & tier.level_by_tag.keys() != after.tags & tier.level_by_tag.keys():
                target = _highest_level(tier, written)
            moves.append((tier.id, (_highest_level(tier, facts.tags), target, tier.id in waiting)))
    return _Impact(tuple(effects), tuple(matched), tuple(moves))


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
    """Each tag that a decision is about: folded, with what happens to it and the rule or tier, if one is named."""
    added = frozenset(map(fold, decision.change.add))
    for outcome in decision.outcomes:
        key = fold(outcome.tag)
        if outcome.effect == "add":
            yield key, "added", outcome.rule
        elif outcome.effect == "remove":
            yield key, "removed", outcome.rule
        elif outcome.effect == "have":
            if key not in added:  # a restored tag is also had, as if it had stayed
                yield key, "unchanged", ""
        else:
            yield key, outcome.cause, outcome.rule


def _earned_level(tier: CompiledTier, facts: Facts) -> int:
    return next((at for at, level in enumerate(tier.levels) if level.matches(facts)), len(tier.levels))


def _highest_level(tier: CompiledTier, tags: frozenset[str]) -> int:
    return min((tier.level_by_tag[key] for key in tags & tier.level_by_tag.keys()), default=len(tier.levels))


class _Counts(NamedTuple):
    """All impacts, counted. Lists are indexes of customers."""

    effects: dict[tuple[str, str], list[int]]
    unchanged: Counter[str]
    matched: Counter[str]
    moves: dict[str, dict[Move, list[int]]]


def _count(
    population: Population, compiled: CompiledRules, impacts: Mapping[_Impact, Sequence[int]]
) -> Preview:
    counts = _Counts(defaultdict(list), Counter(), Counter(), defaultdict(lambda: defaultdict(list)))
    touched = adding = removing = 0
    for impact, indexes in impacts.items():
        size = len(indexes)
        happens = set()
        for key, effect in impact.effects:
            if effect == "unchanged":
                counts.unchanged[key] += size
            else:
                counts.effects[key, effect].extend(indexes)
                happens.add(effect)
        for name in impact.matched:
            counts.matched[name] += size
        for tier, move in impact.moves:
            counts.moves[tier][move].extend(indexes)
        adding += size * ("added" in happens)
        removing += size * ("removed" in happens)
        touched += size * (not happens.isdisjoint({"added", "removed"}))
    tags = tuple(_tags(population, compiled, counts))
    return Preview(
        customers=len(population),
        touched=touched,
        adding=adding,
        removing=removing,
        added=sum(tag.added for tag in tags),
        removed=sum(tag.removed for tag in tags),
        tags=tags,
        tiers=tuple(_tier(population, tier, counts.moves[tier.id]) for tier in compiled.tiers),
        matched={name: counts.matched[name] for name in _matchable(compiled)},
    )


def _matchable(compiled: CompiledRules) -> Iterator[str]:
    for step in compiled.steps:
        if isinstance(step, TagStep):
            yield from (rule.id for rule in step.rules)
        else:
            yield from (f"{step.id}:{level.tag}" for level in step.levels)


def _tags(population: Population, compiled: CompiledRules, counts: _Counts) -> Iterator[TagPreview]:
    """Tags that no live rule sets come first."""
    live = {fold(tag): tag for rule in compiled.rule_set.all if rule.enabled for tag in rule.tags}
    for key, tag in {**_orphans(population, counts, live), **live}.items():
        found = {effect: indexes for effect in _EFFECTS if (indexes := counts.effects.get((key, effect), []))}
        yield TagPreview(
            tag=tag,
            rules=tuple(rule for rule, keys in compiled.tags_by_rule.items() if key in keys),
            unchanged=counts.unchanged[key],
            samples={
                effect: population.sample(indexes, size=MAX_SAMPLES) for effect, indexes in found.items()
            },
            **{effect: len(found.get(effect, ())) for effect in _EFFECTS},
        )


def _orphans(population: Population, counts: _Counts, live: Mapping[str, str]) -> dict[str, str]:
    """Tags that no live rule sets, but that are ours or restored: folded tag -> as it was given."""
    found: dict[str, str] = {}
    for (key, _), indexes in sorted(counts.effects.items()):
        state = population.states[indexes[0]]
        own = state.ownership.get(key) or state.restores.get(key)
        if key not in live and own is not None:
            found[key] = own.tag
    return found


def _tier(population: Population, tier: CompiledTier, moves: Mapping[Move, Sequence[int]]) -> TierPreview:
    names = [*(level.tag for level in tier.levels), None]
    return TierPreview(
        id=tier.id,
        levels=tuple(level.tag for level in tier.levels),
        moves=tuple(
            TierMove(
                names[source],
                names[target],
                len(indexes),
                waits,
                population.sample(indexes, size=MAX_SAMPLES),
            )
            for (source, target, waits), indexes in sorted(moves.items())
            if source != target
        ),
        stay=tuple(
            sum(len(indexes) for (source, target, _), indexes in moves.items() if source == target == at)
            for at in range(len(names))
        ),
    )
