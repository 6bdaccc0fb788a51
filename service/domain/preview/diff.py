"""The difference between two rule sets, rule by rule: as sentences and as YAML."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from service.domain.documents import to_yaml
from service.domain.explain import (
    Translator,
    describe,
    describe_downgrade,
    describe_keep,
    describe_levels,
    describe_orphan_policy,
    describe_ownership_scope,
)
from service.domain.rules import Rule, RuleOrTier, RuleSet

ChangeKind = Literal["added", "removed", "changed", "moved"]
SIGNS = {"added": "+", "removed": "−", "changed": "~", "moved": "↕"}


@dataclass(frozen=True, slots=True)
class RuleChange:
    """The change of one rule or tier. `before` is None if it is new, `after` is None if it is gone."""

    id: str
    kind: ChangeKind
    before: RuleOrTier | None
    after: RuleOrTier | None


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a difference. `sign` is '-', '+' or ' '."""

    sign: str
    text: str


def diff_rules(before: RuleSet, after: RuleSet) -> tuple[RuleChange, ...]:
    """Return the changed rules and tiers in their new order, and the removed ones last.

    Order matters only among rules that set the same tag and within a tier, so "moved" alone hardly changes a tag.
    """
    old, new = ({rule.id: rule for rule in rule_set.all} for rule_set in (before, after))
    moved = _moved([id_ for id_ in old if id_ in new], [id_ for id_ in new if id_ in old])
    changes: list[RuleChange] = []
    for id_, rule in new.items():
        if id_ not in old:
            changes.append(RuleChange(id_, "added", None, rule))
        elif old[id_] != rule:
            changes.append(RuleChange(id_, "changed", old[id_], rule))
        elif id_ in moved:
            changes.append(RuleChange(id_, "moved", old[id_], rule))
    removed = (RuleChange(id_, "removed", rule, None) for id_, rule in old.items() if id_ not in new)
    return (*changes, *removed)


def describe_change(
    change: RuleChange, *, translator: Translator, before: RuleSet, after: RuleSet
) -> list[DiffLine]:
    """Return a change as sentences, one a line, including the sentences that stayed the same."""
    old = list(describe_rule(change.before, translator, before.currency)) if change.before is not None else []
    new = list(describe_rule(change.after, translator, after.currency)) if change.after is not None else []
    return _diff_lines(old, new)


def summarize_change(change: RuleChange, *, translator: Translator) -> str:
    """Return a change on one line: `~ Khách VIP (đã sửa)`."""
    rule = change.after if change.after is not None else change.before
    title = rule.display_name(translator.language) if rule is not None else change.id
    return f"{SIGNS[change.kind]} {title} ({translator(f'difference.{change.kind}')})"


def describe_changes(before: RuleSet, after: RuleSet, *, translator: Translator) -> list[str]:
    """Return the whole difference as lines, without unchanged sentences. No difference is one line that says so."""
    lines: list[str] = []
    if not _same_settings(before, after):
        old, new = (f"{rule_set.timezone}, {rule_set.currency}" for rule_set in (before, after))
        lines.append(translator("difference.frame", old=old, new=new))
    for change in diff_rules(before, after):
        lines.append(summarize_change(change, translator=translator))
        if change.kind != "moved":
            lines += [
                f"  {line.sign} {line.text}"
                for line in describe_change(change, translator=translator, before=before, after=after)
                if line.sign != " "
            ]
    return lines or [translator("difference.none")]


def yaml_diff(before: RuleSet, after: RuleSet, *, names: tuple[str, str]) -> str:
    """Return the unified diff of both documents as YAML."""
    old, new = (to_yaml(rule_set).splitlines(keepends=True) for rule_set in (before, after))
    return "".join(difflib.unified_diff(old, new, *names))


def _same_settings(before: RuleSet, after: RuleSet) -> bool:
    """Return whether time zone and currency are the same."""
    return (before.timezone, before.currency) == (after.timezone, after.currency)


def _moved(old: list[str], new: list[str]) -> set[str]:
    """Return the fewest ids whose moving explains the new order. Both lists have the same ids."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    staying = {id_ for block in matcher.get_matching_blocks() for id_ in new[block.b : block.b + block.size]}
    return set(new) - staying


def describe_rule(rule: RuleOrTier, translator: Translator, currency: str) -> Iterator[str]:
    """Yield everything that a rule or tier says, one fact a sentence."""
    yield translator("difference.name", name=rule.display_name(translator.language))
    if not rule.enabled:
        yield translator("state.disabled")
    if isinstance(rule, Rule):
        yield translator("difference.tag", tag=rule.tag)
        yield describe(rule.when, translator=translator, currency=currency)
        yield describe_keep(rule, translator=translator)
    else:
        yield from describe_levels(rule, translator=translator, currency=currency)
        yield describe_downgrade(rule, translator=translator)
    yield describe_ownership_scope(rule, translator=translator)
    yield describe_orphan_policy(rule, translator=translator)
    if rule.note:
        yield translator("difference.note", note=rule.note)


def _diff_lines(old: Iterable[str], new: Iterable[str]) -> list[DiffLine]:
    return [DiffLine(line[0], line[2:]) for line in difflib.ndiff([*old], [*new]) if line[0] in "+- "]
