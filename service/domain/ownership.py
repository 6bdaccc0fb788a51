"""What a version of the rules inherits from the versions before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import Final

import msgspec

from service.domain.ordering import Maker, dependencies
from service.domain.rules import RuleSet, WhenGone


@dataclass(frozen=True, slots=True)
class Past:
    """What a version inherits from those before it; stored beside the version, not in the document.

    `gone`: the last `when_gone` of every rule and tier that is no longer in the document, so that its
    wish outlives it. It is kept here and not with each owned tag, because a change of `when_gone` alone
    visits no customer. `take_back`: (rule id, version) whose gifts an undo takes back. `undone`: the versions
    whose removals it puts back.
    """

    gone: Mapping[str, WhenGone] = field(default_factory=dict)
    take_back: frozenset[tuple[str, int]] = frozenset()
    undone: frozenset[int] = frozenset()

    def just_undone(self, number: int) -> frozenset[int]:
        """Which versions the version of this number undid itself: those right before it. None if it is no roll-back."""
        first = number
        while first - 1 in self.undone:
            first -= 1
        return frozenset(range(first, number))


NO_PAST: Final = Past()


def succeed(past: Past, *, before: RuleSet, after: RuleSet) -> Past:
    """The past of the version that follows `before`: rules that left speak for the last time."""
    staying = {maker.id for maker in after.all}
    gone = {**past.gone, **{maker.id: maker.when_gone for maker in before.all}}
    return replace(past, gone={one: wish for one, wish in gone.items() if one not in staying})


def undo(past: Past, *, undone: Mapping[int, RuleSet], restored: RuleSet, target: Past = NO_PAST) -> Past:
    """What a roll-back inherits, if `past` is what any publish would: it takes back the gifts of rules that the
    undone versions had otherwise, and puts back what these removed.

    `undone`: version number -> its content; `target`: what the restored version inherited in its time, whose own
    wishes and undoings hold again. What a rule gave that is the same in the restored content was no mistake, and
    stays under that rule.
    """
    wrong = {(one, version) for version, rule_set in undone.items() for one in _otherwise(rule_set, restored)}
    return Past(
        gone={**past.gone, **target.gone},
        take_back=target.take_back | wrong,
        undone=target.undone | undone.keys(),
    )


def _otherwise(rule_set: RuleSet, restored: RuleSet) -> set[str]:
    """The ids whose gifts may differ: changed themselves, or reading tags of one that was."""
    makers = rule_set.all
    if (rule_set.timezone, rule_set.currency) != (restored.timezone, restored.currency):
        return {maker.id for maker in makers}
    right = {maker.id: maker for maker in restored.all}
    found = {maker.id for maker in makers if not _gives_the_same(maker, right.get(maker.id))}
    near = dependencies(makers)
    for one in TopologicalSorter(near).static_order():
        if near[one] & found:
            found.add(one)
    return found


def _gives_the_same(one: Maker, other: Maker | None) -> bool:
    """Whether two rules give the same tags to the same customers (names and notes do not matter)."""
    return other is not None and (one.tags, one.trees, one.enabled) == (
        other.tags,
        other.trees,
        other.enabled,
    )


class _StoredPast(msgspec.Struct, array_like=True):
    gone: dict[str, WhenGone]
    take_back: list[tuple[str, int]]
    undone: list[int] = []


def pack_past(past: Past) -> bytes:
    """The bytes of a version's past (JSON)."""
    stored = _StoredPast(dict(sorted(past.gone.items())), sorted(past.take_back), sorted(past.undone))
    return msgspec.json.encode(stored)


def unpack_past(packed: bytes) -> Past:
    """The reverse; empty bytes are no past."""
    if not packed:
        return NO_PAST
    stored = msgspec.json.decode(packed, type=_StoredPast)
    return Past(stored.gone, frozenset(stored.take_back), frozenset(stored.undone))
