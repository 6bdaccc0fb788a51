"""The fast path of a decision: nearly everybody keeps all tags and at most gains some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from service.domain.evaluation import Compiled, FastResult, Step, TagStep
from service.domain.facts import Facts
from service.domain.standing import Hold, Owned, Standing

_NO_TAGS: Final[frozenset[str]] = frozenset()


def fast_path(compiled: Compiled, facts: Facts, standing: Standing) -> FastResult | None:
    """Return what the rules do to a customer, if they take nothing away and start or end no hold; else None.

    None means nothing but that the whole decision must be made.
    """
    if standing.excluded or standing.restores:
        return None
    orphans = _orphans(compiled, facts.tags, standing.owned)
    if orphans is None:
        return None
    result = compiled.fast_path(facts)
    if result is None or not _holds_are_current(compiled, facts.tags, standing.held):
        return None
    if result.foreign and not standing.owned.keys().isdisjoint(result.foreign):
        return None  # no rule gives a tag that is ours
    return result._replace(orphans=tuple(orphans)) if orphans else result


def _orphans(compiled: Compiled, tags: frozenset[str], owned: Mapping[str, Owned]) -> list[str] | None:
    """Return the tags that stay with a rule that left them; None if any ownership ends or moves."""
    live, revoked = compiled.live, compiled.take_back
    orphans: list[str] = []
    for key, own in owned.items():
        if key not in tags or (revoked and (own.rule, own.version) in revoked):
            return None
        if key not in live.get(own.rule, _NO_TAGS):
            if key in compiled.sets or compiled.when_gone.get(own.rule) == "remove":
                return None
            orphans.append(key)
    return orphans


def _holds_are_current(compiled: Compiled, tags: frozenset[str], held: Mapping[str, Hold]) -> bool:
    """Whether the holds are as they should be where the tags are.

    A hold whose rule no longer holds anything stays with its tag: the rule may hold again one day.
    """
    if not (held or compiled.keeping):
        return True
    inactive = (held[rule] for rule in held.keys() & compiled.idle)
    return all(hold.tag in tags and hold.below is None for hold in inactive) and all(
        _hold_is_current(step, tags, held) for step in compiled.keeping
    )


def _hold_is_current(step: Step, tags: frozenset[str], held: Mapping[str, Hold]) -> bool:
    if isinstance(step, TagStep):
        if step.key not in tags:
            return not any(rule.id in held for rule in step.rules)
        hold = held.get(step.rules[0].id)
        return len(step.rules) == 1 and hold is not None and hold.tag == step.key
    hold, key = held.get(step.id), next((key for key in step.keys if key in tags), None)
    if hold is None or key is None:
        return hold is None and key is None
    return hold.tag == key and hold.below is None
