"""The rules of a chaos run, and the tags that they give: evaluated from scratch from the sandbox's record."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from service.domain.customers.records import parse_record
from service.domain.decisions.decide import decide
from service.domain.decisions.state import EMPTY_STATE
from service.domain.documents.parser import parse_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules

RULES = """
version: 1
rules:
  - id: vip
    name: {vi: Khách VIP, en: VIP customer}
    tag: VIP
    when: {field: total_spent, op: at_least, value: 10_000_000}
  - id: quen
    name: {vi: Khách quen, en: Regular}
    tag: Khách quen
    when: {field: orders_count, op: at_least, value: 4}
  - id: tin
    name: {vi: Nhận tin, en: Newsletter}
    tag: Nhận tin
    when: {field: accepts_marketing, op: is, value: true}
tiers:
  - id: hang
    name: {vi: Hạng thành viên, en: Membership tier}
    levels:
      - {tag: Vàng, when: {field: total_spent, op: at_least, value: 50_000_000}}
      - {tag: Bạc, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""
MANAGED = frozenset({"VIP", "Khách quen", "Nhận tin", "Vàng", "Bạc"})
BY_HAND = ("Khách sỉ", "Báo chí", "Cần gọi lại", "Zalo")


@dataclass(frozen=True, slots=True)
class Oracle:
    """Evaluates the rules from scratch, without ownership or holds."""

    compiled: CompiledRules

    @classmethod
    def build(cls) -> Oracle:
        """Compile the rules."""
        return cls(compile_rules(parse_rules(RULES)))

    def wanted(self, body: bytes) -> set[str]:
        """The tags of rules that this record must have."""
        customer = replace(parse_record(body).customer, tags=())
        decision = decide(
            rules=self.compiled, customer=customer, state=EMPTY_STATE, today=1, now_ms=1, version=1
        )
        return set(decision.wanted)
