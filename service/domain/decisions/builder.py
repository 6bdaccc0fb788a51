"""The builder of one decision: tags, ownership and holds as decided so far, and the outcomes."""

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
    PASSIVE = (
        auto()
    )  # a rule from which the customer is excluded, or one that is undecided and set the tag before


# With these, ownership moves to the rule or tier that gives the tag.
MOVES_OWNERSHIP: Final[frozenset[OwnershipStatus]] = frozenset(
    {OwnershipStatus.ORPHAN_KEEP, OwnershipStatus.ORPHAN_REMOVE, OwnershipStatus.REVOKED}
)
# With these, a tag that no rule gives is removed, and its owner is named as the remover.
OWNER_REMOVES: Final[frozenset[OwnershipStatus]] = frozenset(
    {OwnershipStatus.CURRENT, OwnershipStatus.ORPHAN_REMOVE, OwnershipStatus.REVOKED}
)


class DecisionBuilder:
    """Collects one decision. Only the steps of `decide` change it.

    `facts` is a copy. Its tags change with each step, so that later rules see what earlier rules decided.

    `passive`: ids of the rules and tiers that decide nothing for this customer. Either the customer is excluded from
    them, or they are `undecided`, because the record lacks a field that they read. Their tags stay as they are.
    """

    __slots__ = (
        "_customer",
        "_original_tags",
        "_spellings",
        "_state",
        "excluded",
        "facts",
        "holds",
        "inactive_holds",
        "now_ms",
        "outcomes",
        "ownership",
        "passive",
        "rules",
        "today",
        "undecided",
        "version",
    )

    def __init__(
        self,
        *,
        rules: CompiledRules,
        customer: Customer,
        state: CustomerState,
        facts: Facts,
        now_ms: int,
        version: int,
    ) -> None:
        without_hold = rules.rules_without_hold
        self.rules = rules
        self.facts = copy.copy(facts)
        self.today = facts.day.ordinal
        self.now_ms = now_ms
        self.version = version
        self.excluded = state.excluded_rules
        self.undecided = rules.undecided_rules(customer) - state.excluded_rules
        self.passive = self.excluded | self.undecided
        # Ownership ends if the record lacks the tag.
        self.ownership: dict[str, Ownership] = {
            key: own for key, own in state.ownership.items() if key in facts.tags
        }
        self.holds: dict[str, Hold] = {
            rule: hold for rule, hold in state.holds.items() if rule not in without_hold
        }
        # Holds of rules and tiers that hold nothing now. The start of a hold is kept as long as its tag stays.
        self.inactive_holds: dict[str, Hold] = {
            rule: hold for rule, hold in state.holds.items() if rule in without_hold
        }
        self.outcomes: list[TagOutcome] = []
        self._customer = customer
        self._state = state
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
        """Leave a tag that no rule gives. `until`: the day (ordinal) on which it may be removed."""
        if (
            cause == "excluded" and rule in self.undecided
        ):  # the policies know passive rules, not why they are
            cause = "undecided"
        self.outcomes.append(TagOutcome("retain", self._spellings[key], cause, rule, until))

    def have(self, tag: str) -> None:
        """Note that the customer has a tag that a rule gives."""
        self.outcomes.append(TagOutcome("have", tag, "matched"))

    def note_exclusion(self, *, tag: str, rule: str) -> None:
        """Note that a rule matches from which the customer is excluded."""
        self.outcomes.append(TagOutcome("withhold", tag, "excluded", rule))

    def original_owner(self, key: str) -> Ownership | None:
        """The stored ownership of a tag, if the record has the tag."""
        return self._state.ownership.get(key) if key in self._original_tags else None

    def ownership_status(self, key: str, setters: frozenset[str]) -> OwnershipStatus:
        """Who owns a tag. `setters`: the ids of the rules or of the tier that set it now."""
        own = self.ownership.get(key)
        if own is None:
            return OwnershipStatus.NONE
        if own.rule in self.excluded:
            return OwnershipStatus.PASSIVE
        if self.is_revoked(own):
            return OwnershipStatus.REVOKED
        if own.rule in setters:
            return OwnershipStatus.CURRENT
        if own.rule in self.undecided:
            return OwnershipStatus.PASSIVE
        orphans = self.rules.orphan_policies
        return (
            OwnershipStatus.ORPHAN_REMOVE
            if orphans.get(own.rule) == "remove"
            else OwnershipStatus.ORPHAN_KEEP
        )

    def is_revoked(self, own: Ownership) -> bool:
        """Whether a roll-back revokes what this rule added under this version."""
        return (own.rule, own.version) in self.rules.revoked_grants

    def hold_is_active(self, hold: Hold, days: int) -> bool:
        """Whether a hold of so many days, or of FOREVER, is still active today."""
        return days == FOREVER or self.today < hold.since_day + days

    def final_holds(self) -> dict[str, Hold]:
        """The holds to store: the active ones, and the inactive ones on tags that stay."""
        inactive = {
            rule: Hold(hold.tag_key, hold.since_day)
            for rule, hold in self.inactive_holds.items()
            if hold.tag_key in self.facts.tags
        }
        return inactive | self.holds

    def _evidence(self, inputs: RuleInputs) -> dict[str, object]:
        return evidence(inputs, facts=self.facts, customer=self._customer)
