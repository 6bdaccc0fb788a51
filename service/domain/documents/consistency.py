"""Consistency of a document: unique ids, one owner for each tier tag, no cycles, and limits of the trees.

The checks read what is readable of a document, so that a rule with an error is checked too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from service.domain.customers import fold
from service.domain.documents.errors import DocumentPath
from service.domain.rules import Condition, Message, find_cycle, message

MAX_CONDITIONS: Final = 50  # of a rule or level
MAX_DEPTH: Final = 4
_GROUPS: Final = ("all", "any")
_MAX_NESTING: Final = 24  # deeper trees are not walked


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """An error between parts of a document that are each valid by themselves."""

    path: DocumentPath
    kind: str
    message: Message
    part: str = ""


@dataclass(frozen=True, slots=True)
class Outline:
    """What is readable of a rule or tier. `id` is '' if it has none."""

    path: DocumentPath
    id: str
    tags: tuple[str, ...]
    tag_paths: tuple[DocumentPath, ...]
    trees: tuple[tuple[DocumentPath, object], ...]  # as authored
    expressions: tuple[Condition, ...]  # the valid conditions

    @property
    def is_tier(self) -> bool:
        return self.path[0] == "tiers"


def read_outlines(data: object) -> tuple[Outline, ...]:
    """Read the outlines of all rules and tiers of a document that may be invalid."""
    return tuple(
        _outline((key, index), entry)
        for key in ("rules", "tiers")
        for index, entry in enumerate(_list_at(data, key))
        if isinstance(entry, dict)
    )


def check_consistency(outlines: Sequence[Outline]) -> list[Inconsistency]:
    """Find every inconsistency."""
    return [
        *_check_ids(outlines),
        *_check_owners(outlines),
        *(problem for outline in outlines for tree in outline.trees for problem in _check_limits(*tree)),
        *_check_cycles(outlines),
    ]


def _outline(path: DocumentPath, entry: dict[str, object]) -> Outline:
    parts = [(path, entry)]
    if path[0] == "tiers":
        parts = [
            ((*path, "levels", index), level)
            for index, level in enumerate(_list_at(entry, "levels"))
            if isinstance(level, dict)
        ]
    tagged = [(part_path, tag) for part_path, part in parts if isinstance(tag := part.get("tag"), str)]
    trees = tuple(((*part_path, "when"), part["when"]) for part_path, part in parts if "when" in part)
    rule_id = entry.get("id")
    return Outline(
        path,
        rule_id if isinstance(rule_id, str) else "",
        tuple(tag for _, tag in tagged),
        tuple(tag_path for tag_path, _ in tagged),
        trees,
        tuple(condition for _, tree in trees for condition in _valid_conditions(tree)),
    )


def _list_at(data: object, key: str) -> list[object]:
    value = data.get(key) if isinstance(data, dict) else None
    return [*value] if isinstance(value, list | tuple) else []


def _valid_conditions(tree: object) -> Iterator[Condition]:
    """Only conditions on tags matter: rules depend on each other through them."""
    for leaf, _ in _walk(tree):
        if isinstance(leaf, dict) and leaf.get("field") == "tags":
            try:
                yield Condition.model_validate(leaf)
            except ValidationError:
                continue  # the validation of the document reports it


def _walk(
    tree: object, depth: int = 0, nesting: int = 0, *, is_negated: bool = False
) -> Iterator[tuple[object, int]]:
    """Yield every leaf with the number of groups around it; a `not` counts only directly inside another `not`."""
    if nesting > _MAX_NESTING or not isinstance(tree, dict):
        yield tree, depth
        return
    group = next((key for key in _GROUPS if key in tree), None)
    if group is not None:
        parts = _list_at(tree, group)
        for part in parts:
            yield from _walk(part, depth + 1, nesting + 1)
        if not parts:
            yield None, depth + 1
    elif "not" in tree:
        yield from _walk(tree["not"], depth + is_negated, nesting + 1, is_negated=True)
    else:
        yield tree, depth


def _check_limits(path: DocumentPath, tree: object) -> Iterator[Inconsistency]:
    """Refuse a tree with too many conditions or too many nested groups. The editor has the same limits."""
    depths = [depth for _, depth in _walk(tree)]
    if len(depths) > MAX_CONDITIONS:
        text = message("too_many_conditions", limit=MAX_CONDITIONS, count=len(depths))
        yield Inconsistency(path, "too_many", text)
    if max(depths, default=0) > MAX_DEPTH:
        yield Inconsistency(path, "too_deep", message("too_deep", limit=MAX_DEPTH))


def _check_ids(outlines: Sequence[Outline]) -> Iterator[Inconsistency]:
    ids: set[str] = set()
    for outline in outlines:
        if outline.id and outline.id in ids:
            yield Inconsistency(outline.path, "duplicate_id", message("duplicate_id", id=outline.id), "id")
        ids.add(outline.id)


def _check_owners(outlines: Sequence[Outline]) -> Iterator[Inconsistency]:
    """Several rules may set the same tag, but nothing else may set the tag of a tier."""
    owners = {
        fold(tag): outline.id for outline in reversed(outlines) if not outline.is_tier for tag in outline.tags
    }
    for outline in outlines:
        if not outline.is_tier:
            continue
        own: set[str] = set()
        for path, tag in zip(outline.tag_paths, outline.tags, strict=True):
            key = fold(tag)
            if key in own:
                yield Inconsistency(path, "two_owners", message("two_levels", tag=tag), "tag")
            elif key in owners:
                yield Inconsistency(
                    path, "two_owners", message("two_owners", tag=tag, other=owners[key]), "tag"
                )
            own.add(key)
        owners.update(dict.fromkeys(own - owners.keys(), outline.id))


def _check_cycles(outlines: Sequence[Outline]) -> Iterator[Inconsistency]:
    cycle = find_cycle([outline for outline in outlines if outline.id])
    if cycle:
        path = next(outline.path for outline in outlines if outline.id == cycle[0])
        yield Inconsistency(path, "loop", message("loop", rules=" → ".join(cycle)))
