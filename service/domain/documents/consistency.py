"""The consistency of a document: ids used twice, tags with two owners, amounts in its currency, loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.domain.customers import fold
from service.domain.documents.errors import DocumentPath
from service.domain.rules import (
    AllOf,
    AnyOf,
    Condition,
    Expression,
    InvalidOperand,
    Rule,
    RuleSet,
    Tier,
    children,
    find_cycle,
)


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """A problem between parts of a document that are valid each by itself."""

    path: DocumentPath
    kind: str
    message: str
    part: str = ""


LocatedRules = Sequence[tuple[DocumentPath, Rule | Tier]]  # rules and tiers with their places in the document


def located_rules(rule_set: RuleSet) -> LocatedRules:
    """All rules and tiers of a valid document."""
    return (
        *((("rules", at), rule) for at, rule in enumerate(rule_set.rules)),
        *((("tiers", at), tier) for at, tier in enumerate(rule_set.tiers)),
    )


def check_consistency(rules: LocatedRules, *, currency: str) -> list[Inconsistency]:
    """Find every inconsistency. Of a document that is not valid, pass the rules and tiers that are."""
    return [*_ids(rules), *_owners(rules), *_amounts(rules, currency), *_loops(rules)]


def _ids(rules: LocatedRules) -> Iterator[Inconsistency]:
    seen: set[str] = set()
    for path, maker in rules:
        if maker.id in seen:
            yield Inconsistency(path, "duplicate_id", f"the id '{maker.id}' is used twice", "id")
        seen.add(maker.id)


def _owners(rules: LocatedRules) -> Iterator[Inconsistency]:
    """A tier's tag may have no other owner; several rules may share a tag."""
    owners = {fold(maker.tag): maker.id for _, maker in reversed(rules) if isinstance(maker, Rule)}
    for path, maker in rules:
        if not isinstance(maker, Tier):
            continue
        own: set[str] = set()
        for step, tag in enumerate(maker.tags):
            key, here = fold(tag), (*path, "levels", step)
            if key in own:
                yield Inconsistency(here, "two_owners", f"the tag '{tag}' stands on two levels", "tag")
            elif key in owners:
                message = f"the tag '{tag}' of a tier may have no other owner; '{owners[key]}' sets it too"
                yield Inconsistency(here, "two_owners", message, "tag")
            own.add(key)
        owners.update(dict.fromkeys(own - owners.keys(), maker.id))


def _amounts(rules: LocatedRules, currency: str) -> Iterator[Inconsistency]:
    """Values are looked at again with the document's currency."""
    for path, maker in rules:
        for step, tree in enumerate(maker.expressions):
            start = (*path, "when") if isinstance(maker, Rule) else (*path, "levels", step, "when")
            for place, condition in _walk(start, tree):
                try:
                    condition.operand(currency)
                except InvalidOperand as exc:
                    yield Inconsistency(place, "bad_value", str(exc), "value")


def _walk(path: DocumentPath, node: Expression) -> Iterator[tuple[DocumentPath, Condition]]:
    if isinstance(node, Condition):
        yield path, node
        return
    if isinstance(node, AllOf | AnyOf):
        key = "all" if isinstance(node, AllOf) else "any"
        for at, part in enumerate(children(node)):
            yield from _walk((*path, key, at), part)
    else:
        yield from _walk((*path, "not"), children(node)[0])


def _loops(rules: LocatedRules) -> Iterator[Inconsistency]:
    loop = find_cycle([maker for _, maker in rules])
    if loop:
        path = next(path for path, maker in rules if maker.id == loop[0])
        yield Inconsistency(path, "loop", f"loop: {' -> '.join(loop)}")
