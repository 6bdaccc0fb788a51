"""One customer's life through days, rules and roll-backs: decided, written, and remembered in a ledger."""

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
class Life:
    """A shop with one customer. Version n is the n-th document."""

    docs: list[RuleSet]
    customer: Customer
    today: date
    standing: CustomerState = field(default_factory=CustomerState)
    pasts: list[Inheritance] = field(default_factory=lambda: [NO_INHERITANCE])
    ledger: list[LedgerChange] = field(default_factory=list)
    touches: dict[str, ExternalChange] = field(default_factory=dict)
    clock: int = 0
    compiled: CompiledRules | None = None

    @property
    def version(self) -> int:
        return len(self.docs)

    @property
    def tags(self) -> frozenset[str]:
        return frozenset(map(fold, self.customer.tags))

    def twin(self) -> Life:
        """Another world, in which it goes on otherwise."""
        return replace(self, docs=[*self.docs], pasts=[*self.pasts], ledger=[*self.ledger])

    def look(self) -> Decision:
        """Decide and write; what was to be put back is settled by it."""
        self.compiled = self.compiled or compile_rules(self.docs[-1], inheritance=self.pasts[-1])
        decision = decide_with_restores(
            rules=self.compiled,
            customer=self.customer,
            state=self.standing,
            today=self.today.toordinal(),
            now_ms=moment(self.today, 12, self.docs[-1].timezone),
            version=self.version,
        )
        for one in decision.changes:
            self.clock += 1
            self.ledger.append(LedgerChange(1, one.tag, self.version, self.clock, one.cause, undo=one.undo))
        self.retag(*apply_change(tag_set(self.customer.tags), decision.change).names)
        self.standing = decision.state
        return decision

    def retag(self, *tags: str) -> None:
        self.customer = msgspec.structs.replace(self.customer, tags=tags)

    def spend(self, total: int) -> None:
        self.customer = msgspec.structs.replace(self.customer, total_spent=total * 10_000)

    def exclude(self, *ids: str) -> None:
        self.standing = replace(self.standing, excluded_rules=frozenset(ids))

    def take_off(self, tag: str) -> None:
        """A person does, and it is noticed."""
        self.clock += 1
        self.touches[fold(tag)] = ExternalChange(tag, added=False, at_ms=self.clock)
        self.retag(*(one for one in self.customer.tags if fold(one) != fold(tag)))

    def publish(self, doc: RuleSet) -> None:
        self._go_live(doc, inherit(self.pasts[-1], before=self.docs[-1], after=doc))

    def roll_back(self, *, to: int) -> None:
        doc, by = self.docs[to - 1], self.version + 1
        undone = {number: self.docs[number - 1] for number in range(to + 1, by)}
        inherited = inherit(self.pasts[-1], before=self.docs[-1], after=doc)
        past = inherit_rollback(inherited, undone=undone, restored=doc, target=self.pasts[to - 1])
        collector = RollbackCollector(undone=frozenset(undone), by=by)
        for change in self.ledger:
            collector.add(change)
        new = collector.restores({1: self.touches}).get(1, {})
        restores = merge_restores(self.standing.restores, new, undone=past.rolled_back)
        self.standing = replace(self.standing, restores=restores)
        self._go_live(doc, past)

    def _go_live(self, doc: RuleSet, past: Inheritance) -> None:
        self.docs.append(doc)
        self.pasts.append(past)
        self.compiled = None
