"""What a version of the rules inherits from earlier versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import Final

import msgspec

from service.domain.rules.document import OrphanPolicy, RuleOrTier, RuleSet, direct_dependencies


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a version inherits from earlier versions; stored beside the version, not in the document.

    `orphan_policies`: the last `when_gone` of every rule and tier that is no longer in the document. It is kept here
    and not with each owned tag, because publishing a change of `when_gone` alone does not visit customers.
    `revoked_grants`: pairs of rule id and version; a roll-back removes the tags that the rule added in that version.
    `rolled_back`: the versions whose removals a roll-back restores.
    """

    orphan_policies: Mapping[str, OrphanPolicy] = field(default_factory=dict)
    revoked_grants: frozenset[tuple[str, int]] = frozenset()
    rolled_back: frozenset[int] = frozenset()

    def rolled_back_by(self, number: int) -> frozenset[int]:
        """Return the versions that the version `number` rolled back: the unbroken run of rolled-back versions before it.

        Empty if the version is not a roll-back.
        """
        first = number
        while first - 1 in self.rolled_back:
            first -= 1
        return frozenset(range(first, number))


NO_INHERITANCE: Final = Inheritance()


def inherit(inheritance: Inheritance, *, before: RuleSet, after: RuleSet) -> Inheritance:
    """Return what `after` inherits when it is published over `before`, whose own inheritance is `inheritance`.

    The policies of rules and tiers that `after` no longer has are added.
    """
    remaining = {rule.id for rule in after.all}
    policies = {**inheritance.orphan_policies, **{rule.id: rule.when_gone for rule in before.all}}
    return replace(
        inheritance, orphan_policies={id_: policy for id_, policy in policies.items() if id_ not in remaining}
    )


def inherit_rollback(
    inheritance: Inheritance,
    *,
    undone: Mapping[int, RuleSet],
    restored: RuleSet,
    target: Inheritance = NO_INHERITANCE,
) -> Inheritance:
    """Return what a roll-back inherits: grants of rules that the undone versions changed are revoked, their removals
    are restored.

    `inheritance`: what an ordinary publish of `restored` would inherit (see `inherit`). `undone`: rule sets by
    version number. `target`: what the restored version inherited when it was first published; its policies,
    revocations and restores apply again. Grants of a rule that is the same in `restored` are not revoked.
    """
    revoked = {
        (rule_id, version)
        for version, rule_set in undone.items()
        for rule_id in _rules_with_other_grants(rule_set, restored)
    }
    return Inheritance(
        orphan_policies={**inheritance.orphan_policies, **target.orphan_policies},
        revoked_grants=target.revoked_grants | revoked,
        rolled_back=target.rolled_back | undone.keys(),
    )


def _rules_with_other_grants(rule_set: RuleSet, restored: RuleSet) -> set[str]:
    """The ids of rules that `restored` has differently, and of rules that read the tags of such a rule."""
    rules = rule_set.all
    if (rule_set.timezone, rule_set.currency) != (restored.timezone, restored.currency):
        return {rule.id for rule in rules}
    restored_rules = {rule.id: rule for rule in restored.all}
    changed = {rule.id for rule in rules if not _grants_equal(rule, restored_rules.get(rule.id))}
    dependencies = direct_dependencies(rules)
    for rule_id in TopologicalSorter(dependencies).static_order():
        if dependencies[rule_id] & changed:
            changed.add(rule_id)
    return changed


def _grants_equal(rule: RuleOrTier, other: RuleOrTier | None) -> bool:
    """Whether two rules give the same tags to the same customers; names and notes do not matter."""
    return other is not None and (rule.tags, rule.expressions, rule.enabled) == (
        other.tags,
        other.expressions,
        other.enabled,
    )


class _StoredInheritance(msgspec.Struct, array_like=True):
    """The stored form: a JSON list in this order."""

    orphan_policies: dict[str, OrphanPolicy]
    revoked_grants: list[tuple[str, int]]
    rolled_back: list[int] = []


def encode_inheritance(inheritance: Inheritance) -> bytes:
    """Encode as JSON; equal inheritances have equal bytes."""
    stored = _StoredInheritance(
        dict(sorted(inheritance.orphan_policies.items())),
        sorted(inheritance.revoked_grants),
        sorted(inheritance.rolled_back),
    )
    return msgspec.json.encode(stored)


def decode_inheritance(encoded: bytes) -> Inheritance:
    """Decode what `encode_inheritance` wrote; empty bytes are NO_INHERITANCE."""
    if not encoded:
        return NO_INHERITANCE
    stored = msgspec.json.decode(encoded, type=_StoredInheritance)
    return Inheritance(
        stored.orphan_policies, frozenset(stored.revoked_grants), frozenset(stored.rolled_back)
    )
