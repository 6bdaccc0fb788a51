"""What differs between two sets of rules, by rule id: in sentences, and as YAML."""

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
from service.domain.rules import Rule, RuleSet, Tier

RuleOrTier = Rule | Tier
ChangeKind = Literal["added", "removed", "changed", "moved"]
SIGNS = {"added": "+", "removed": "−", "changed": "~", "moved": "↕"}


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What became of one rule or tier. `before` and `after` are None where it was, or is, not there."""

    id: str
    kind: ChangeKind
    before: RuleOrTier | None
    after: RuleOrTier | None


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a difference: `sign` is '-', '+' or ' '."""

    sign: str
    text: str


def diff_rules(before: RuleSet, after: RuleSet) -> tuple[RuleChange, ...]:
    """Every rule and tier that is new, gone, changed or only stands elsewhere; in the new order, then what is gone.

    The order matters only among rules that set the same tag, and within a tier: "moved" is not a change of tags.
    """
    old, new = ({rule.id: rule for rule in each.all} for each in (before, after))
    moved = _moved([one for one in old if one in new], [one for one in new if one in old])
    found: list[RuleChange] = []
    for one, maker in new.items():
        if one not in old:
            found.append(RuleChange(one, "added", None, maker))
        elif old[one] != maker:
            found.append(RuleChange(one, "changed", old[one], maker))
        elif one in moved:
            found.append(RuleChange(one, "moved", old[one], maker))
    return (
        *found,
        *(RuleChange(one, "removed", maker, None) for one, maker in old.items() if one not in new),
    )


def same_settings(before: RuleSet, after: RuleSet) -> bool:
    """Whether zone and currency are the same."""
    return (before.timezone, before.currency) == (after.timezone, after.currency)


def describe_change(
    one: RuleChange, *, translator: Translator, before: RuleSet, after: RuleSet
) -> list[DiffLine]:
    """A difference as lines of sentences, also those that stayed the same."""
    old = list(_sentences(one.before, translator, before.currency)) if one.before is not None else []
    new = list(_sentences(one.after, translator, after.currency)) if one.after is not None else []
    return _lines(old, new)


def summarize_change(one: RuleChange, *, translator: Translator) -> str:
    """`~ Khách VIP (đã sửa)`."""
    maker = one.after if one.after is not None else one.before
    title = maker.display_name(translator.language) if maker is not None else one.id
    return f"{SIGNS[one.kind]} {title} ({translator(f'difference.{one.kind}')})"


def describe_changes(before: RuleSet, after: RuleSet, *, translator: Translator) -> list[str]:
    """The whole difference as text, without what stayed the same; one line that says so when there is none."""
    told: list[str] = []
    if not same_settings(before, after):
        old, new = (f"{each.timezone}, {each.currency}" for each in (before, after))
        told.append(translator("difference.frame", old=old, new=new))
    for one in diff_rules(before, after):
        told.append(summarize_change(one, translator=translator))
        if one.kind != "moved":
            told += [
                f"  {line.sign} {line.text}"
                for line in describe_change(one, translator=translator, before=before, after=after)
                if line.sign != " "
            ]
    return told or [translator("difference.none")]


def yaml_diff(before: RuleSet, after: RuleSet, *, names: tuple[str, str]) -> str:
    """The difference of both documents as YAML, unified."""
    old, new = (to_yaml(each).splitlines(keepends=True) for each in (before, after))
    return "".join(difflib.unified_diff(old, new, *names))


def _moved(old: list[str], new: list[str]) -> set[str]:
    """The fewest ids whose moving explains the new order (both lists have the same ids)."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    staying = {one for block in matcher.get_matching_blocks() for one in new[block.b : block.b + block.size]}
    return set(new) - staying


def _sentences(maker: RuleOrTier, words: Translator, currency: str) -> Iterator[str]:
    """All that a rule says, one fact a line."""
    yield words("difference.name", name=maker.display_name(words.language))
    if not maker.enabled:
        yield words("state.disabled")
    if isinstance(maker, Rule):
        yield words("difference.tag", tag=maker.tag)
        yield describe(maker.when, translator=words, currency=currency)
        yield describe_keep(maker, translator=words)
    else:
        yield from describe_levels(maker, translator=words, currency=currency)
        yield describe_downgrade(maker, translator=words)
    yield describe_ownership_scope(maker, translator=words)
    yield describe_orphan_policy(maker, translator=words)
    if maker.note:
        yield words("difference.note", note=maker.note)


def _lines(old: Iterable[str], new: Iterable[str]) -> list[DiffLine]:
    return [DiffLine(each[0], each[2:]) for each in difflib.ndiff([*old], [*new]) if each[0] in "+- "]
