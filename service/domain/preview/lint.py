"""What a rules document says that can hardly be meant: it may be published, but somebody should look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from service.domain.customers import fold
from service.domain.engine import (
    CompiledCondition,
    CompiledExpression,
    CompiledGroup,
    CompiledRules,
    CompiledTier,
    Facts,
)
from service.domain.explain import Translator, describe
from service.domain.preview.boundaries import boundary_facts, iter_leaves
from service.domain.preview.impact import Preview
from service.domain.rules import AllOf, AnyOf, strip_accents

MUCH: Final = 0.5  # of the customers
FAR_DAYS: Final = 36_600  # by then every window has passed every date that is written down


@dataclass(frozen=True, slots=True)
class LintWarning:
    """One warning. `rule`: the rule's or tier's id, '' for the whole; `tag` names a level; `gaps` fill its sentence."""

    kind: str
    rule: str
    tag: str = ""
    expressions: tuple[CompiledExpression, ...] = ()  # the conditions that it is about
    params: Mapping[str, str | int] = field(default_factory=dict)


def lint(compiled: CompiledRules, *, today: int) -> tuple[LintWarning, ...]:
    """What shows from the document alone; `today` is the shop's day (ordinal)."""
    found = [one for rule in compiled.rules for one in _of_tree(rule.when, rule.id, "", today)]
    for tier in compiled.tiers:
        for level in tier.levels:
            found += _of_tree(level.when, tier.id, level.tag, today)
        found += _levels(tier, today)
    return (*found, *_own_spellings(compiled))


def lint_matches(compiled: CompiledRules, shown: Preview) -> tuple[LintWarning, ...]:
    """What shows from the customers: nobody, everybody, or more than half of them; tags that others put on too."""
    found: list[LintWarning] = []
    for rule in compiled.rules:
        count = shown.matched.get(rule.id, 0)
        if shown.customers and (kind := _how_many(count, shown.customers)):
            share = round(100 * count / shown.customers)
            found.append(
                LintWarning(kind, rule.id, params={"count": count, "share": share, "all": shown.customers})
            )
    found += [
        LintWarning("others_too", tag.rules[0], tag.tag, params={"count": tag.not_ours})
        for tag in shown.tags
        if tag.not_ours and tag.rules
    ]
    return tuple(found)


def lint_coverage(*, seen: int, customers: int | None, org: str) -> tuple[LintWarning, ...]:
    """Customers of whom nothing is known yet; `customers`: how many the shop has, None where nobody counted."""
    if customers is None:
        return (LintWarning("uncounted", "", params={"org": org}),)
    if seen >= customers:
        return ()
    return (LintWarning("unseen", "", params={"count": customers - seen, "all": customers, "org": org}),)


def lint_spellings(compiled: CompiledRules, seen: Mapping[str, int]) -> tuple[LintWarning, ...]:
    """Tags that the shop has already in another spelling (case, or only accents); `seen`: spelling -> customers."""
    found: list[LintWarning] = []
    for maker in compiled.rule_set.all:
        for tag in maker.tags if maker.enabled else ():
            near = {
                one: n
                for one, n in seen.items()
                if one != tag.strip() and accentless_tag(one) == accentless_tag(tag)
            }
            if near:
                other = max(near, key=lambda one: (near[one], one))
                found.append(
                    LintWarning("spelling", maker.id, tag, params={"other": other, "count": near[other]})
                )
    return tuple(found)


def describe_warning(one: LintWarning, *, translator: Translator, compiled: CompiledRules) -> str:
    """A warning and its why, in words."""
    rule_set = compiled.rule_set
    names = {maker.id: maker.display_name(translator.language) for maker in rule_set.all}
    said = [
        describe(part.expression, translator=translator, currency=rule_set.currency)
        for part in one.expressions
    ]
    gaps = {name: translator.number(gap) if isinstance(gap, int) else gap for name, gap in one.params.items()}
    part, others = (said[0], translator.join_list(said[1:])) if said else ("", "")
    kind = "never.alone" if one.kind == "never" and not others else one.kind
    told = translator(f"warning.{kind}", tag=one.tag, part=part, others=others, **gaps)
    return f"{names.get(one.rule, one.rule)}: {told}" if one.rule else told


def accentless_tag(tag: str) -> str:
    """A tag without case and accents, as people mistake one for another."""
    return strip_accents(fold(tag))


def _how_many(count: int, customers: int) -> str:
    if not count:
        return "matches_nobody"
    if count == customers:
        return "matches_everybody"
    return "matches_many" if count > MUCH * customers else ""


def _tries(branches: Sequence[CompiledExpression], today: int) -> list[Facts] | None:
    """Today and far off: what is only true for a while is no contradiction."""
    now = boundary_facts(branches, today=today)
    if now is None or not any(branch.is_time_dependent for branch in branches):
        return now
    return [*now, *(boundary_facts(branches, today=today + FAR_DAYS) or ())]


def _of_tree(tree: CompiledExpression, rule: str, tag: str, today: int) -> list[LintWarning]:
    """Contradictions, conditions that hold always, and conditions that others imply; the largest part first."""
    tries = _tries([tree], today)
    if tries is not None:
        if not any(map(tree.matches, tries)):
            return [LintWarning("never", rule, tag, tuple(_blamed(tree, today)))]
        if all(map(tree.matches, tries)):
            return [LintWarning("always", rule, tag, (tree,))]
    return [*_of_group(tree, rule, tag, today)]


def _blamed(tree: CompiledExpression, today: int) -> Iterator[CompiledExpression]:
    """The two parts that contradict each other where there are such, else the whole."""
    if isinstance(tree, CompiledGroup) and isinstance(tree.expression, AllOf):
        for at, one in enumerate(tree.parts):
            for other in tree.parts[at + 1 :]:
                tries = _tries([one, other], today)
                if tries and not any(one.matches(facts) and other.matches(facts) for facts in tries):
                    return iter((one, other))
    return iter((tree,))


def _of_group(tree: CompiledExpression, rule: str, tag: str, today: int) -> Iterator[LintWarning]:
    if isinstance(tree, CompiledCondition):
        return
    if isinstance(tree.expression, AllOf | AnyOf):
        yield from _implied(tree, rule, tag, today)
    for part in tree.parts:
        if not isinstance(part, CompiledCondition):
            yield from _of_tree(part, rule, tag, today) if isinstance(tree.expression, AllOf | AnyOf) else ()


def _implied(group: CompiledGroup, rule: str, tag: str, today: int) -> Iterator[LintWarning]:
    """Parts that say nothing: in `all` what another part makes sure of, in `any` what another part covers."""
    every = isinstance(group.expression, AllOf)
    spared: set[int] = set()
    for at, part in enumerate(group.parts):
        for other_at, other in enumerate(group.parts):
            if at == other_at or other_at in spared or not _share_fields(part, other):
                continue
            tries = _tries([part, other], today)
            strong, weak = (other, part) if every else (part, other)
            if tries and all(weak.matches(facts) for facts in tries if strong.matches(facts)):
                spared.add(at)
                yield LintWarning("implied" if every else "covered", rule, tag, (part, other))
                break


def _share_fields(one: CompiledExpression, other: CompiledExpression) -> bool:
    return bool(
        {leaf.field.name for leaf in iter_leaves(one)} & {leaf.field.name for leaf in iter_leaves(other)}
    )


def _levels(tier: CompiledTier, today: int) -> Iterator[LintWarning]:
    """Levels that can never win, because those above them take everybody who would."""
    for at, level in enumerate(tier.levels[1:], start=1):
        above = [one.when for one in tier.levels[:at]]
        tries = _tries([*above, level.when], today)
        if tries is None:
            continue
        mine = [facts for facts in tries if level.matches(facts)]
        if mine and all(any(one.matches(facts) for one in above) for facts in mine):
            yield LintWarning("level_never_wins", tier.id, level.tag, (level.when, *above[-1:]))


def _own_spellings(compiled: CompiledRules) -> Iterator[LintWarning]:
    """Two tags of the document that people will take for one."""
    seen: dict[str, str] = {}
    for maker in compiled.rule_set.all:
        for tag in maker.tags:
            other = seen.setdefault(accentless_tag(tag), tag)
            if other != tag:
                yield LintWarning("own_spelling", maker.id, tag, params={"other": other})
