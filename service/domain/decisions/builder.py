"""The decision about one customer in the making: tags, ownership and holds as decided so far, and the outcomes."""

from __future__ import annotations

import copy
from enum import StrEnum, auto
from typing import Final

from service.domain.customers import Customer, fold
from service.domain.decisions.outcome import Cause, TagOutcome
from service.domain.decisions.state import CustomerState, Hold, Ownership, UndoRecord
from service.domain.engine import CompiledRules, Facts, RuleInputs, evidence
from service.domain.rules import FOREVER


class OwnershipStatus(StrEnum):
    """Who owns a tag, as seen by the rules or the tier that set it now."""

    NONE = auto()  # a person added it
    CURRENT = auto()  # one of them
    ORPHAN_KEEP = auto()  # a rule that no longer sets it, with `when_gone: leave`
    ORPHAN_REMOVE = auto()  # the same, with `when_gone: remove`
    REVOKED = auto()  # a rule of a version that was rolled back
    EXCLUDED = auto()  # a rule from which the customer is excluded


# A rule or tier that gives the tag takes over what these own.
MOVES_OWNERSHIP: Final[frozenset[OwnershipStatus]] = frozenset(
    {OwnershipStatus.ORPHAN_KEEP, OwnershipStatus.ORPHAN_REMOVE, OwnershipStatus.REVOKED}
)
# If nothing gives the tag, it is removed in the name of its owner.
OWNER_REMOVES: Final[frozenset[OwnershipStatus]] = frozenset(
    {OwnershipStatus.CURRENT, OwnershipStatus.ORPHAN_REMOVE, OwnershipStatus.REVOKED}
)


class DecisionBuilder:
    """The state of one decision. Only the steps of `decide` change it.

    `facts` is a copy: its tags move on with the decision, so that later rules see what earlier ones decided.
    """

    __slots__ = (
        "_customer",
        "_original_tags",
        "_spellings",
        "_state",
        "compiled",
        "excluded",
        "facts",
        "holds",
        "inactive_holds",
        "now_ms",
        "outcomes",
        "ownership",
        "today",
        "version",
    )

    def __init__(
        self,
        *,
        compiled: CompiledRules,
        customer: Customer,
        standing: CustomerState,
        facts: Facts,
        now_ms: int,
        version: int,
    ) -> None:
        idle = compiled.rules_without_hold
        self.compiled = compiled
        self.facts = copy.copy(facts)
        self.today = facts.day.ordinal
        self.now_ms = now_ms
        self.version = version
        self.excluded = standing.excluded_rules
        # Ownership ends when the tag is missing from the record.
        self.ownership: dict[str, Ownership] = {
            key: own for key, own in standing.ownership.items() if key in facts.tags
        }
        self.holds: dict[str, Hold] = {
            rule: hold for rule, hold in standing.holds.items() if rule not in idle
        }
        # Holds of rules and tiers that hold nothing now: the start of a hold is kept as long as its tag.
        self.inactive_holds: dict[str, Hold] = {
            rule: hold for rule, hold in standing.holds.items() if rule in idle
        }
        self.outcomes: list[TagOutcome] = []
        self._customer = customer
        self._state = standing
        self._original_tags = facts.tags
        self._spellings = {fold(tag): tag for tag in customer.tags}

    def add(self, *, tag: str, key: str, rule: str, cause: Cause, inputs: RuleInputs) -> None:
        """Add a tag. We own it from now on."""
        self.outcomes.append(TagOutcome("add", tag, cause, rule, None, self._evidence(inputs)))
        self._spellings[key] = tag
        self.ownership[key] = Ownership(tag, rule, self.now_ms, self.version)
        self.facts.tags = self.facts.tags | {key}

    def remove(self, *, key: str, rule: str, cause: Cause, inputs: RuleInputs) -> None:
        """Remove a tag. Ownership ends."""
        tag = self._spellings[key]
        holds = {holder: hold for holder, hold in self._state.holds.items() if hold.tag_key == key}
        undo = UndoRecord(tag, self._state.ownership.get(key), holds)
        self.outcomes.append(TagOutcome("remove", tag, cause, rule, None, self._evidence(inputs), undo))
        self.ownership.pop(key, None)
        self.facts.tags = self.facts.tags - {key}

    def retain(self, *, key: str, rule: str, cause: Cause, until: int | None = None) -> None:
        """Leave a tag in place that no rule gives; `until` the day on which that may end."""
        self.outcomes.append(TagOutcome("retain", self._spellings[key], cause, rule, until))

    def have(self, tag: str) -> None:
        """Note that the customer has a tag that a rule gives."""
        self.outcomes.append(TagOutcome("have", tag, "matched"))

    def note_exclusion(self, *, tag: str, rule: str) -> None:
        """Note that a rule would give a tag, were the customer not excluded from it."""
        self.outcomes.append(TagOutcome("withhold", tag, "excluded", rule))

    def original_owner(self, key: str) -> Ownership | None:
        """The ownership of a tag before this decision, if the record has the tag."""
        return self._state.ownership.get(key) if key in self._original_tags else None

    def ownership_status(self, key: str, setters: frozenset[str]) -> OwnershipStatus:
        """Who owns a tag, given the ids of the rules or of the tier that set it now."""
        own = self.ownership.get(key)
        if own is None:
            return OwnershipStatus.NONE
        if own.rule in self.excluded:
            return OwnershipStatus.EXCLUDED
        if self.is_revoked(own):
            return OwnershipStatus.REVOKED
        if own.rule in setters:
            return OwnershipStatus.CURRENT
        orphans = self.compiled.orphan_policies
        return (
            OwnershipStatus.ORPHAN_REMOVE
            if orphans.get(own.rule) == "remove"
            else OwnershipStatus.ORPHAN_KEEP
        )

    def is_revoked(self, own: Ownership) -> bool:
        """Whether a roll-back takes back what this rule added under that version."""
        return (own.rule, own.version) in self.compiled.revoked_grants

    def hold_is_active(self, hold: Hold, days: int) -> bool:
        """Whether a hold of so many days, or of FOREVER, still runs today."""
        return days == FOREVER or self.today < hold.since_day + days

    def final_holds(self) -> dict[str, Hold]:
        """The holds to be stored, with the inactive ones on tags that stay."""
        inactive = {
            rule: Hold(hold.tag_key, hold.since_day)
            for rule, hold in self.inactive_holds.items()
            if hold.tag_key in self.facts.tags
        }
        return inactive | self.holds

    def _evidence(self, inputs: RuleInputs) -> dict[str, object]:
        return evidence(inputs, facts=self.facts, customer=self._customer)
