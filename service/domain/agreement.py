"""What only shows when the whole document is looked at: ids used twice, tags with two owners, loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.domain.conditions import AllOf, AnyOf, Condition, Tree, parts
from service.domain.ordering import find_loop
from service.domain.problems import Path
from service.domain.rules import Rule, RuleSet, TierGroup
from service.domain.tags import fold
from service.domain.values import BadValue


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A problem between parts of a document, each of which is right by itself."""

    path: Path
    kind: str
    message: str
    part: str = ""


Places = Sequence[tuple[Path, Rule | TierGroup]]


def places(rule_set: RuleSet) -> Places:
    """All rules and tiers with their places in the document."""
    return (
        *((("rules", at), rule) for at, rule in enumerate(rule_set.rules)),
        *((("tiers", at), tier) for at, tier in enumerate(rule_set.tiers)),
    )


def disagreements(found: Places, *, currency: str) -> list[Disagreement]:
    """All of them; none is a document that can be published (of a broken one: among its whole parts)."""
    return [*_ids(found), *_owners(found), *_amounts(found, currency), *_loops(found)]


def _ids(found: Places) -> Iterator[Disagreement]:
    seen: set[str] = set()
    for path, maker in found:
        if maker.id in seen:
            yield Disagreement(path, "duplicate_id", f"the id '{maker.id}' is used twice", "id")
        seen.add(maker.id)


def _owners(found: Places) -> Iterator[Disagreement]:
    """A tier's tag may have no other owner; several rules may share a tag."""
    owners = {fold(maker.tag): maker.id for _, maker in reversed(found) if isinstance(maker, Rule)}
    for path, maker in found:
        if not isinstance(maker, TierGroup):
            continue
        own: set[str] = set()
        for step, tag in enumerate(maker.tags):
            key, here = fold(tag), (*path, "levels", step)
            if key in own:
                yield Disagreement(here, "two_owners", f"the tag '{tag}' stands on two levels", "tag")
            elif key in owners:
                message = f"the tag '{tag}' of a tier may have no other owner; '{owners[key]}' sets it too"
                yield Disagreement(here, "two_owners", message, "tag")
            own.add(key)
        owners.update(dict.fromkeys(own - owners.keys(), maker.id))


def _amounts(found: Places, currency: str) -> Iterator[Disagreement]:
    """Values are looked at again with the document's currency."""
    for path, maker in found:
        for step, tree in enumerate(maker.trees):
            start = (*path, "when") if isinstance(maker, Rule) else (*path, "levels", step, "when")
            for place, condition in _walk(start, tree):
                try:
                    condition.compared(currency)
                except BadValue as exc:
                    yield Disagreement(place, "bad_value", str(exc), "value")


def _walk(path: Path, node: Tree) -> Iterator[tuple[Path, Condition]]:
    if isinstance(node, Condition):
        yield path, node
        return
    if isinstance(node, AllOf | AnyOf):
        key = "all" if isinstance(node, AllOf) else "any"
        for at, part in enumerate(parts(node)):
            yield from _walk((*path, key, at), part)
    else:
        yield from _walk((*path, "not"), parts(node)[0])


def _loops(found: Places) -> Iterator[Disagreement]:
    loop = find_loop([maker for _, maker in found])
    if loop:
        path = next(path for path, maker in found if maker.id == loop[0])
        yield Disagreement(path, "loop", f"loop: {' -> '.join(loop)}")
