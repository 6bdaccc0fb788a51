"""What differs between two sets of rules, by rule id: in sentences, and as YAML."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from service.domain.rules import Rule, RuleSet, TierGroup
from service.domain.sentences import say, say_downgrade, say_gone, say_keep, say_levels, say_owns
from service.domain.words import Words
from service.domain.writing import dump_yaml

Maker = Rule | TierGroup
How = Literal["added", "removed", "changed", "moved"]
SIGNS = {"added": "+", "removed": "−", "changed": "~", "moved": "↕"}


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of one rule or tier. `before` and `after` are None where it was, or is, not there."""

    id: str
    how: How
    before: Maker | None
    after: Maker | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference: `sign` is '-', '+' or ' '."""

    sign: str
    text: str


def differences(before: RuleSet, after: RuleSet) -> tuple[Difference, ...]:
    """Every rule and tier that is new, gone, changed or only stands elsewhere; in the new order, then what is gone.

    The order matters only among rules that set the same tag, and within a tier: "moved" is not a change of tags.
    """
    old, new = ({rule.id: rule for rule in each.all} for each in (before, after))
    moved = _moved([one for one in old if one in new], [one for one in new if one in old])
    found: list[Difference] = []
    for one, maker in new.items():
        if one not in old:
            found.append(Difference(one, "added", None, maker))
        elif old[one] != maker:
            found.append(Difference(one, "changed", old[one], maker))
        elif one in moved:
            found.append(Difference(one, "moved", old[one], maker))
    return (
        *found,
        *(Difference(one, "removed", maker, None) for one, maker in old.items() if one not in new),
    )


def same_frame(before: RuleSet, after: RuleSet) -> bool:
    """Whether zone and currency are the same."""
    return (before.timezone, before.currency) == (after.timezone, after.currency)


def in_sentences(one: Difference, *, words: Words, before: RuleSet, after: RuleSet) -> list[Line]:
    """A difference as lines of sentences, also those that stayed the same."""
    old = list(_sentences(one.before, words, before.currency)) if one.before is not None else []
    new = list(_sentences(one.after, words, after.currency)) if one.after is not None else []
    return _lines(old, new)


def headline(one: Difference, *, words: Words) -> str:
    """`~ Khách VIP (đã sửa)`."""
    maker = one.after if one.after is not None else one.before
    title = maker.title(words.language) if maker is not None else one.id
    return f"{SIGNS[one.how]} {title} ({words(f'difference.{one.how}')})"


def in_words(before: RuleSet, after: RuleSet, *, words: Words) -> list[str]:
    """The whole difference as text, without what stayed the same; one line that says so when there is none."""
    told: list[str] = []
    if not same_frame(before, after):
        old, new = (f"{each.timezone}, {each.currency}" for each in (before, after))
        told.append(words("difference.frame", old=old, new=new))
    for one in differences(before, after):
        told.append(headline(one, words=words))
        if one.how != "moved":
            told += [
                f"  {line.sign} {line.text}"
                for line in in_sentences(one, words=words, before=before, after=after)
                if line.sign != " "
            ]
    return told or [words("difference.none")]


def in_yaml(before: RuleSet, after: RuleSet, *, names: tuple[str, str]) -> str:
    """The difference of both documents as YAML, unified."""
    old, new = (dump_yaml(each).splitlines(keepends=True) for each in (before, after))
    return "".join(difflib.unified_diff(old, new, *names))


def _moved(old: list[str], new: list[str]) -> set[str]:
    """The fewest ids whose moving explains the new order (both lists have the same ids)."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    staying = {one for block in matcher.get_matching_blocks() for one in new[block.b : block.b + block.size]}
    return set(new) - staying


def _sentences(maker: Maker, words: Words, currency: str) -> Iterator[str]:
    """All that a rule says, one fact a line."""
    yield words("difference.name", name=maker.title(words.language))
    if not maker.enabled:
        yield words("state.disabled")
    if isinstance(maker, Rule):
        yield words("difference.tag", tag=maker.tag)
        yield say(maker.when, words=words, currency=currency)
        yield say_keep(maker, words=words)
    else:
        yield from say_levels(maker, words=words, currency=currency)
        yield say_downgrade(maker, words=words)
    yield say_owns(maker, words=words)
    yield say_gone(maker, words=words)
    if maker.note:
        yield words("difference.note", note=maker.note)


def _lines(old: Iterable[str], new: Iterable[str]) -> list[Line]:
    return [Line(each[0], each[2:]) for each in difflib.ndiff([*old], [*new]) if each[0] in "+- "]
