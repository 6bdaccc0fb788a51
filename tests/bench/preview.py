"""How long a preview of 100,000 customers takes, beside deciding for each of them.

Bar: at most 1.6 times the decisions of a shop at rest, whatever was edited. Figures are processor time, the best of
three: of a shop at rest; of its first day, when nearly all customers get tags; and of edits of the rule whose tag most
customers have. Beside them are the conditions alone over prepared facts in CEL (common-expression-language) and
zen-engine. The exit code is 1 if the bar is missed.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence

import cel
import msgspec

from service.domain.customers.customer import Customer
from service.domain.customers.tags import apply_change, tag_set
from service.domain.decisions.state import EMPTY_STATE, CustomerState
from service.domain.documents.parser import parse_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.preview.impact import preview
from service.domain.preview.population import Population
from service.domain.rules.conditions import Condition
from service.domain.rules.document import OrphanPolicy
from service.domain.rules.inheritance import Inheritance
from tests.bench.engines import as_mapping, cel_matcher, zen_matcher
from tests.bench.evaluation import (
    NOW_MS,
    RULES,
    best_of,
    customer,
    decide_all,
    decide_each,
    match_others,
)
from tests.bench.report import report

BAR = 1.6
EDITED = "asleep"  # the id of the rule whose tag most customers have


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--others", type=int, default=5_000, help="customers for the other engines")
    options = parser.parse_args()
    compiled = compile_rules(parse_rules(RULES.read_text()))
    rng = random.Random(1)
    customers = [customer(number + 1, rng) for number in range(options.customers)]
    first = decide_all(compiled, customers, [EMPTY_STATE] * len(customers))
    settled = [
        msgspec.structs.replace(member, tags=apply_change(tag_set(member.tags), decision.change).names)
        for member, decision in zip(customers, first, strict=True)
    ]
    states = [decision.state for decision in first]
    del first

    scale = 100_000 / len(customers)
    print(f"{len(customers)} customers, {len(compiled.rules)} rules; figures for 100,000 customers")
    base = scale * best_of(3, lambda: decide_each(compiled, settled, states))
    report("decisions of a shop at rest", base, "s")
    cold = scale * best_of(3, lambda: preview(population(compiled, settled, states), compiled))
    passes = report("preview of a shop at rest", cold / base, "times", at_most=BAR)
    nothing = [EMPTY_STATE] * len(customers)
    took = scale * best_of(3, lambda: preview(population(compiled, customers, nothing), compiled))
    passes &= report("preview of its first day", took / base, "times", at_most=BAR)
    for name, rules in edits().items():
        took = scale * best_of(3, lambda r=rules: preview(population(r, settled, states), r))
        passes &= report(f"preview after an edit: {name}", took / base, "times", at_most=BAR)
    compare(compiled, customers[: options.others], cold)
    return 0 if passes else 1


def edits() -> dict[str, CompiledRules]:
    """The rules after several edits of the rule EDITED."""
    document = parse_rules(RULES.read_text())
    rule = next(rule for rule in document.rules if rule.id == EDITED)
    others = tuple(rule for rule in document.rules if rule.id != EDITED)
    never = Condition(field="orders_count", op="at_least", value=1_000_000)
    changed = {
        "renamed": rule.model_copy(update={"tag": "Ngủ quên"}),
        "kept for 30 days": rule.model_copy(update={"keep": "30 days"}),
        "matches nobody": rule.model_copy(update={"when": never}),
    }
    edited_rules = {
        name: compile_rules(document.model_copy(update={"rules": (*others, edited)}))
        for name, edited in changed.items()
    }
    policies: tuple[OrphanPolicy, ...] = ("leave", "remove")
    for policy in policies:
        inheritance = Inheritance(orphan_policies={EDITED: policy})
        edited_rules[f"deleted, {policy}"] = compile_rules(
            document.model_copy(update={"rules": others}), inheritance=inheritance
        )
    return edited_rules


def population(
    compiled: CompiledRules, customers: Sequence[Customer], states: Sequence[CustomerState]
) -> Population:
    today = compiled.local_day(NOW_MS)
    return Population.of(zip(customers, states, strict=True), today=today, now_ms=NOW_MS)


def compare(compiled: CompiledRules, customers: Sequence[Customer], cold: float) -> None:
    """The time of the other engines for the conditions alone."""
    plain = [as_mapping(compiled.build_facts(member, compiled.local_day(NOW_MS))) for member in customers]
    for name, make, prepare in (("CEL", cel_matcher, cel.Context), ("zen", zen_matcher, dict)):
        given = [prepare(facts) for facts in plain]
        matchers = [make(rule.when) for rule in compiled.rules]
        took = 100_000 / len(customers) * best_of(2, lambda m=matchers, g=given: match_others(m, g))
        report(f"conditions alone, {name}: {took / cold:.1f} times our whole preview", took, "s")


if __name__ == "__main__":
    sys.exit(main())
