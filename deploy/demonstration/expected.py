"""The tags that customers should have, evaluated from scratch from record, rules and day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from service.domain.customers import TEN_THOUSANDTHS, Customer, fold, parse_record
from service.domain.decisions import CustomerState, decide
from service.domain.engine import compile_rules
from service.domain.rules import RuleSet, iter_conditions


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A customer whose tags are not those of the rules."""

    customer: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]


class ExpectedTags:
    """Evaluates the rules without any state of the service."""

    def __init__(self, rule_set: RuleSet) -> None:
        self._rules = compile_rules(rule_set)
        self._zone = ZoneInfo(rule_set.timezone)
        self.spellings = {fold(tag): tag for tag in _tags(rule_set)}
        self.thresholds = sorted(set(_thresholds(rule_set)))

    def read(self, body: bytes) -> Customer:
        """Parse a record."""
        return parse_record(body).customer

    def wanted(self, customer: Customer, now: datetime) -> frozenset[str]:
        """The tags that the rules give this customer now, case-folded."""
        decision = decide(
            rules=self._rules,
            customer=customer,
            state=CustomerState(),
            today=now.astimezone(self._zone).toordinal(),
            now_ms=int(now.timestamp() * 1000),
            version=1,
        )
        return frozenset(fold(tag) for tag in decision.wanted)

    def check(self, customer: Customer, now: datetime) -> Mismatch | None:
        """Compare the customer's tags with the rules. Tags that no rule uses are ignored."""
        wanted = self.wanted(customer, now)
        has = frozenset(map(fold, customer.tags)) & self.spellings.keys()
        if has == wanted:
            return None
        return Mismatch(customer.id, self._spelled(wanted - has), self._spelled(has - wanted))

    def _spelled(self, keys: frozenset[str]) -> tuple[str, ...]:
        return tuple(sorted(self.spellings[key] for key in keys))


def _tags(rule_set: RuleSet) -> Iterator[str]:
    for rule in rule_set.rules:
        yield rule.tag
    for tier in rule_set.tiers:
        yield from tier.tags


def _thresholds(rule_set: RuleSet) -> Iterator[int]:
    """The amounts of `total_spent`, in whole đồng, at which tags change."""
    trees = [rule.when for rule in rule_set.rules] + [
        tree for tier in rule_set.tiers for tree in tier.expressions
    ]
    for tree in trees:
        for condition in iter_conditions(tree):
            compared = condition.operand(rule_set.currency) if condition.field == "total_spent" else None
            if isinstance(compared, int):
                yield compared // TEN_THOUSANDTHS
