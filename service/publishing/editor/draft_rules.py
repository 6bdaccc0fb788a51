"""The rules of a draft as far as they are valid, and what the decision of each depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from service.domain.customers import fold
from service.domain.documents import DocumentError, InvalidRules, validate_rules
from service.domain.rules import Rule, RuleOrTier, RuleSet, Tier, direct_dependencies
from service.publishing.editor.copies import KINDS

Place = tuple[str, int]  # the list and the index of a rule or tier in the document


@dataclass(frozen=True)
class DraftRules:
    """A draft that was checked. `valid` has the rules and tiers without errors of their own."""

    frame: RuleSet  # time zone and currency, without rules
    valid: Mapping[Place, RuleOrTier]
    problems: tuple[DocumentError, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> DraftRules:
        """Check every rule of a draft."""
        try:
            rule_set = validate_rules(dict(document))
        except InvalidRules as exc:
            return cls(_frame(document), _valid_entries(document), exc.problems)
        valid: dict[Place, RuleOrTier] = {("rules", index): rule for index, rule in enumerate(rule_set.rules)}
        valid.update({("tiers", index): tier for index, tier in enumerate(rule_set.tiers)})
        return cls(rule_set.model_copy(update={"rules": (), "tiers": ()}), valid, ())

    def problems_of(self, place: Place) -> tuple[DocumentError, ...]:
        """The errors of one rule or tier."""
        return tuple(each for each in self.problems if each.path[:2] == place)

    def related(self, place: Place) -> RuleSet:
        """A valid rule or tier, and what its decision depends on: the rules with the same tag, and the setters of tags
        that it reads. Rules with errors are left out. A tier comes alone.
        """
        edited = self.valid[place]
        if isinstance(edited, Tier):
            return self.frame.model_copy(update={"tiers": (edited,)})
        others = [each for each in self._enabled if each.id != edited.id]
        dependencies = self._dependencies if edited.enabled else direct_dependencies([edited, *others])
        by_id: dict[str, RuleOrTier] = {each.id: each for each in others}
        related: dict[str, RuleOrTier] = {edited.id: edited}
        waiting: list[RuleOrTier] = [edited]
        while waiting:
            rule = waiting.pop()
            tags = set(map(fold, rule.tags))
            ids = dependencies[rule.id].union(*(self._setters.get(tag, ()) for tag in tags))
            for new in ids & (by_id.keys() - related.keys()):
                related[new] = by_id[new]
                waiting.append(by_id[new])
        chosen = [each for each in (edited, *others) if each.id in related]
        rules = tuple(each for each in chosen if isinstance(each, Rule))
        tiers = tuple(each for each in chosen if isinstance(each, Tier))
        return self.frame.model_copy(update={"rules": rules, "tiers": tiers})

    @cached_property
    def _enabled(self) -> tuple[RuleOrTier, ...]:
        return tuple(each for each in self.valid.values() if each.enabled)

    @cached_property
    def _dependencies(self) -> Mapping[str, set[str]]:
        return direct_dependencies(self._enabled)

    @cached_property
    def _setters(self) -> Mapping[str, set[str]]:
        """Folded tags, and the ids of the rules and tiers that set them."""
        setters: dict[str, set[str]] = {}
        for each in self._enabled:
            for tag in each.tags:
                setters.setdefault(fold(tag), set()).add(each.id)
        return setters


def _frame(document: Mapping[str, Any]) -> RuleSet:
    frame = {key: document[key] for key in ("version", "timezone", "currency") if key in document}
    try:
        return validate_rules(frame)
    except InvalidRules:
        return RuleSet()  # the errors are among the problems


def _valid_entries(document: Mapping[str, Any]) -> dict[Place, RuleOrTier]:
    frame = {key: document[key] for key in ("timezone", "currency") if key in document}
    valid: dict[Place, RuleOrTier] = {}
    for kind in KINDS:
        for index, entry in enumerate(document.get(kind, ())):
            try:
                [valid[kind, index]] = validate_rules({**frame, kind: [entry]}).all
            except InvalidRules:
                continue
    return valid
