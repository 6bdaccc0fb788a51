"""What a version of the rules inherits from the versions before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import Final

import msgspec

from service.domain.rules.dependencies import RuleOrTier, direct_dependencies
from service.domain.rules.document import OrphanPolicy, RuleSet


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a version inherits from those before it; stored beside the version, not in the document.

    `gone`: the last `when_gone` of every rule and tier that is no longer in the document, so that its
    wish outlives it. It is kept here and not with each owned tag, because a change of `when_gone` alone
    visits no customer. `take_back`: (rule id, version) whose gifts an undo takes back. `undone`: the versions
    whose removals it puts back.
    """

    orphan_policies: Mapping[str, OrphanPolicy] = field(default_factory=dict)
    revoked_grants: frozenset[tuple[str, int]] = frozenset()
    rolled_back: frozenset[int] = frozenset()

    def rolled_back_by(self, number: int) -> frozenset[int]:
        """Which versions the version of this number undid itself: those right before it. None if it is no roll-back."""
        first = number
        while first - 1 in self.rolled_back:
            first -= 1
        return frozenset(range(first, number))


NO_INHERITANCE: Final = Inheritance()


def inherit(inheritance: Inheritance, *, before: RuleSet, after: RuleSet) -> Inheritance:
    """The past of the version that follows `before`: rules that left speak for the last time."""
    staying = {maker.id for maker in after.all}
    gone = {**inheritance.orphan_policies, **{maker.id: maker.when_gone for maker in before.all}}
    return replace(
        inheritance, orphan_policies={one: wish for one, wish in gone.items() if one not in staying}
    )


def inherit_rollback(
    inheritance: Inheritance,
    *,
    undone: Mapping[int, RuleSet],
    restored: RuleSet,
    target: Inheritance = NO_INHERITANCE,
) -> Inheritance:
    """What a roll-back inherits, if `past` is what any publish would: it takes back the gifts of rules that the
    undone versions had otherwise, and puts back what these removed.

    `undone`: version number -> its content; `target`: what the restored version inherited in its time, whose own
    wishes and undoings hold again. What a rule gave that is the same in the restored content was no mistake, and
    stays under that rule.
    """
    wrong = {(one, version) for version, rule_set in undone.items() for one in _otherwise(rule_set, restored)}
    return Inheritance(
        orphan_policies={**inheritance.orphan_policies, **target.orphan_policies},
        revoked_grants=target.revoked_grants | wrong,
        rolled_back=target.rolled_back | undone.keys(),
    )


def _otherwise(rule_set: RuleSet, restored: RuleSet) -> set[str]:
    """The ids whose gifts may differ: changed themselves, or reading tags of one that was."""
    makers = rule_set.all
    if (rule_set.timezone, rule_set.currency) != (restored.timezone, restored.currency):
        return {maker.id for maker in makers}
    right = {maker.id: maker for maker in restored.all}
    found = {maker.id for maker in makers if not _gives_the_same(maker, right.get(maker.id))}
    near = direct_dependencies(makers)
    for one in TopologicalSorter(near).static_order():
        if near[one] & found:
            found.add(one)
    return found


def _gives_the_same(one: RuleOrTier, other: RuleOrTier | None) -> bool:
    """Whether two rules give the same tags to the same customers (names and notes do not matter)."""
    return other is not None and (one.tags, one.expressions, one.enabled) == (
        other.tags,
        other.expressions,
        other.enabled,
    )


class _StoredInheritance(msgspec.Struct, array_like=True):
    gone: dict[str, OrphanPolicy]
    take_back: list[tuple[str, int]]
    undone: list[int] = []


def encode_inheritance(past: Inheritance) -> bytes:
    """The bytes of a version's past (JSON)."""
    stored = _StoredInheritance(
        dict(sorted(past.orphan_policies.items())), sorted(past.revoked_grants), sorted(past.rolled_back)
    )
    return msgspec.json.encode(stored)


def decode_inheritance(packed: bytes) -> Inheritance:
    """The reverse; empty bytes are no past."""
    if not packed:
        return NO_INHERITANCE
    stored = msgspec.json.decode(packed, type=_StoredInheritance)
    return Inheritance(stored.gone, frozenset(stored.take_back), frozenset(stored.undone))
