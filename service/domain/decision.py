"""The decision: what one customer's tags should become, as a pure function of all that it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import msgspec

from service.domain.customers import Customer
from service.domain.evaluation import Compiled, CompiledTier, TagStep
from service.domain.facts import Facts
from service.domain.reasons import TagOutcome
from service.domain.standing import Hold, Owned, Standing
from service.domain.tag_steps import decide_orphans, decide_tag
from service.domain.tags import TagChange
from service.domain.tier_steps import decide_tier
from service.domain.turns import DecisionBuilder

_CHANGES: Final = frozenset({"add", "remove"})
_NO_TAGS: Final[frozenset[str]] = frozenset()


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What is to be done about one customer, and the state to store once it is done.

    `standing` is the very object handed in if nothing about it changed. `next_change`: the first later day (ordinal)
    on which the decision could be another without any event.
    """

    standing: Standing
    outcomes: tuple[TagOutcome, ...]
    next_change: int | None

    @property
    def changes(self) -> tuple[TagOutcome, ...]:
        """The tags that are added and removed."""
        return tuple([outcome for outcome in self.outcomes if outcome.effect in _CHANGES])

    @property
    def change(self) -> TagChange:
        """The names of those tags."""
        return TagChange(
            add=tuple([outcome.tag for outcome in self.outcomes if outcome.effect == "add"]),
            remove=tuple([outcome.tag for outcome in self.outcomes if outcome.effect == "remove"]),
        )

    @property
    def retained(self) -> tuple[TagOutcome, ...]:
        """The tags that no rule gives and that stay all the same."""
        return tuple([outcome for outcome in self.outcomes if outcome.effect == "retain"])

    @property
    def wanted(self) -> frozenset[str]:
        """The tags that rules and tiers give. A level that waits for its downgrade is given, too."""
        given = ("matched", "downgrade")
        return frozenset([outcome.tag for outcome in self.outcomes if outcome.cause in given])


def decide(
    *, compiled: Compiled, customer: Customer, standing: Standing, today: int, now_ms: int, version: int
) -> Decision:
    """Decide for one customer. What a roll-back is to restore plays no part, see `rollback.decide_with_restores`.

    Never touches an excluded rule's tags, nor a tag that is not ours to touch. `today` is the shop's day
    (ordinal). Deciding again with the record and the standing that this gives changes nothing. The record
    must have had all of `compiled.reads`.
    """
    facts = compiled.facts(customer, today)
    wanted = _quiet(compiled, facts, standing)
    if wanted is not None:
        flip = compiled.flip
        outcomes = tuple([TagOutcome("have", tag, "matched") for tag in wanted])
        return Decision(standing, outcomes, flip(facts) if flip is not None else None)
    builder = DecisionBuilder(
        compiled=compiled, customer=customer, standing=standing, facts=facts, now_ms=now_ms, version=version
    )
    decide_orphans(builder)
    for step in compiled.steps:
        if isinstance(step, CompiledTier):
            decide_tier(builder, step)
        else:
            decide_tag(builder, step)
    held = builder.final_holds()
    same = builder.ownership == standing.owned and held == standing.held
    return Decision(
        standing if same else replace(standing, owned=builder.ownership, held=held),
        tuple(builder.outcomes),
        _next_change(builder),
    )


def _next_change(builder: DecisionBuilder) -> int | None:
    """The first day on which a rule's answer or a hold may end by itself."""
    days = [
        day
        for rule, flip in builder.compiled.flips
        if rule not in builder.excluded and (day := flip(builder.facts)) is not None
    ]
    days += [outcome.until for outcome in builder.outcomes if outcome.until is not None]
    return min(days, default=None)


def _quiet(compiled: Compiled, facts: Facts, standing: Standing) -> tuple[str, ...] | None:
    """The wanted tags when plainly nothing is to be done, as for nearly everybody; else None."""
    if standing.excluded or not _ours(compiled, facts.tags, standing.owned):
        return None
    wanted = compiled.quick(facts)
    if wanted is None or not _quiet_holds(compiled, facts.tags, standing.held):
        return None
    return wanted


def _ours(compiled: Compiled, tags: frozenset[str], owned: Mapping[str, Owned]) -> bool:
    """Is everything that is ours there, and answered for by who sets it?"""
    live, undone = compiled.live, compiled.take_back
    for key, own in owned.items():
        if key not in tags or key not in live.get(own.rule, _NO_TAGS):
            return False
        if undone and (own.rule, own.version) in undone:
            return False  # what an undone version gave is taken over, or taken back
    return True


def _quiet_holds(compiled: Compiled, tags: frozenset[str], held: Mapping[str, Hold]) -> bool:
    """Are the holds as they should be, where the tags are?"""
    if not (held or compiled.keeping or compiled.tiers):
        return True
    dormant = (held[one] for one in held.keys() & compiled.idle)
    return (
        all(hold.tag in tags and hold.below is None for hold in dormant)
        and all(_quiet_step(step, held, given=step.key in tags) for step in compiled.keeping)
        and all(_quiet_tier(tier, tags, held) for tier in compiled.tiers)
    )


def _quiet_step(step: TagStep, held: Mapping[str, Hold], *, given: bool) -> bool:
    """A given tag has one rule whose hold is there already; one that is not given has no hold."""
    if not given:
        return not any(rule.id in held for rule in step.rules)
    hold = held.get(step.rules[0].id)
    return len(step.rules) == 1 and hold is not None and hold.tag == step.key


def _quiet_tier(tier: CompiledTier, tags: frozenset[str], held: Mapping[str, Hold]) -> bool:
    """The hold of the level that is there (if one is needed) is as it should be."""
    hold, key = held.get(tier.id), next((key for key in tier.keys if key in tags), None)
    if not tier.downgrade_days or key is None:
        return hold is None
    return hold is not None and hold.tag == key and hold.below is None
