"""A shop with one customer, through days, publications and roll-backs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

import msgspec

from service.domain.customers.customer import Customer
from service.domain.customers.drift import ExternalChange
from service.domain.customers.tags import apply_change, fold, tag_set
from service.domain.decisions.decide import Decision
from service.domain.decisions.rollback import (
    LedgerChange,
    RollbackCollector,
    decide_with_restores,
    merge_restores,
)
from service.domain.decisions.state import CustomerState
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.rules.document import RuleSet
from service.domain.rules.inheritance import NO_INHERITANCE, Inheritance, inherit, inherit_rollback
from tests.reference.strategies import moment


@dataclass
class SimulatedShop:
    """A shop with one customer and a ledger. Version n is the n-th document."""

    docs: list[RuleSet]
    customer: Customer
    today: date
    state: CustomerState = field(default_factory=CustomerState)
    inheritances: list[Inheritance] = field(default_factory=lambda: [NO_INHERITANCE])
    ledger: list[LedgerChange] = field(default_factory=list)
    external_changes: dict[str, ExternalChange] = field(default_factory=dict)
    sequence: int = 0  # orders ledger changes and changes by hand
    compiled: CompiledRules | None = None

    @property
    def version(self) -> int:
        return len(self.docs)

    @property
    def tags(self) -> frozenset[str]:
        return frozenset(map(fold, self.customer.tags))

    def copy(self) -> SimulatedShop:
        """An independent shop with the same history."""
        return replace(self, docs=[*self.docs], inheritances=[*self.inheritances], ledger=[*self.ledger])

    def decide(self) -> Decision:
        """Decide, write the tags, store the state and append to the ledger."""
        self.compiled = self.compiled or compile_rules(self.docs[-1], inheritance=self.inheritances[-1])
        decision = decide_with_restores(
            rules=self.compiled,
            customer=self.customer,
            state=self.state,
            today=self.today.toordinal(),
            now_ms=moment(self.today, 12, self.docs[-1].timezone),
            version=self.version,
        )
        for outcome in decision.changes:
            self.sequence += 1
            self.ledger.append(
                LedgerChange(1, outcome.tag, self.version, self.sequence, outcome.cause, undo=outcome.undo)
            )
        self.set_tags(*apply_change(tag_set(self.customer.tags), decision.change).names)
        self.state = decision.state
        return decision

    def set_tags(self, *tags: str) -> None:
        self.customer = msgspec.structs.replace(self.customer, tags=tags)

    def set_spent(self, total: int) -> None:
        self.customer = msgspec.structs.replace(self.customer, total_spent=total * 10_000)

    def exclude(self, *ids: str) -> None:
        self.state = replace(self.state, excluded_rules=frozenset(ids))

    def remove_by_hand(self, tag: str) -> None:
        """A person removes a tag, and a drain notices it."""
        self.sequence += 1
        self.external_changes[fold(tag)] = ExternalChange(tag, added=False, at_ms=self.sequence)
        self.set_tags(*(other for other in self.customer.tags if fold(other) != fold(tag)))

    def publish(self, doc: RuleSet) -> None:
        self._activate(doc, inherit(self.inheritances[-1], before=self.docs[-1], after=doc))

    def roll_back(self, *, to: int) -> None:
        doc, by = self.docs[to - 1], self.version + 1
        undone = {number: self.docs[number - 1] for number in range(to + 1, by)}
        inherited = inherit(self.inheritances[-1], before=self.docs[-1], after=doc)
        inheritance = inherit_rollback(
            inherited, undone=undone, restored=doc, target=self.inheritances[to - 1]
        )
        collector = RollbackCollector(undone=frozenset(undone), by=by)
        for change in self.ledger:
            collector.add(change)
        new = collector.restores({1: self.external_changes}).get(1, {})
        restores = merge_restores(self.state.restores, new, undone=inheritance.rolled_back)
        self.state = replace(self.state, restores=restores)
        self._activate(doc, inheritance)

    def _activate(self, doc: RuleSet, inheritance: Inheritance) -> None:
        self.docs.append(doc)
        self.inheritances.append(inheritance)
        self.compiled = None
