"""Names, amounts and reasons as the demo prints them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from service.domain.customers import Customer
from service.domain.money import TEN_THOUSANDTHS
from service.domain.rules import RuleSet
from service.store.ledger import Entry

FIELDS: Final[Mapping[str, str]] = {
    "total_spent": "spent",
    "avg_order_value": "on average",
    "orders_count": "orders",
    "last_order_date": "last order",
    "accepts_marketing": "newsletter",
    "created_at": "customer since",
}
MONEY: Final = frozenset({"total_spent", "avg_order_value"})


def dong(amount: int) -> str:
    """An amount as Vietnamese write it: 2.450.000 ₫."""
    return f"{amount:,} ₫".replace(",", ".")


def name_of(someone: Customer) -> str:
    """The family's name first."""
    return (
        " ".join(part for part in (someone.last_name, someone.first_name) if part) or f"customer {someone.id}"
    )


class Reasons:
    """Says why a tag came or went, from what the ledger kept."""

    def __init__(self, rule_set: RuleSet) -> None:
        rules = {rule.id: _name(rule.name, rule.id) for rule in rule_set.rules}
        self._names = rules | {tier.id: _name(tier.name, tier.id) for tier in rule_set.tiers}

    def why(self, entry: Entry) -> str:
        """`VIP customer: spent 10.400.000 ₫`."""
        told = (_value(field, value) for field, value in entry.values.items() if value != [])
        values = ", ".join(told)
        rule = self._names.get(entry.rule, entry.rule)
        return f"{rule}: {values}" if values else rule


def _name(name: object, otherwise: str) -> str:
    """A rule's name: English where there is one, since the demo speaks it."""
    if name is None:
        return otherwise
    return str(getattr(name, "en", None) or getattr(name, "vi", None) or name)


def _value(field: str, value: object) -> str:
    label = FIELDS.get(field, field.replace("_", " "))
    match value:
        case None | "":
            return f"no {label}"
        case bool():
            return f"{label} {'yes' if value else 'no'}"
        case int() if field in MONEY:
            return f"{label} {dong(value // TEN_THOUSANDTHS)}"
        case list():
            return f"{label} {', '.join(map(str, value))}"
    return f"{label} {value}"
