"""The time of a preview of 100,000 customers, as a multiple of deciding for each of them.

    python tests/bench/preview.py [--customers 100000] [--others 5000]

Bar: at most 1.6 times the decisions of a shop at rest, for any edit. Figures are processor time, the best of three,
taken in one run: a shop at rest; its first day, when nearly everybody gets tags; and edits of the rule whose tag most
customers have. In the same run, CEL (common-expression-language) and zen-engine evaluate the conditions alone, over
ready facts. The exit code is 1 if the bar is missed.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import cel

from service.domain.customers.customer import Customer
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
    decide_and_drop,
    match_all_in_engine,
    report,
    settle,
)

BAR = 1.6
EDITED = "asleep"  # the id of the rule whose tag most customers have


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--others", type=int, default=5_000, help="customers for the other engines")
    args = parser.parse_args()
    compiled = compile_rules(parse_rules(RULES.read_text()))
    rng = random.Random(1)
    customers = [customer(number + 1, rng) for number in range(args.customers)]
    empty = [EMPTY_STATE] * len(customers)
    first = decide_all(compiled, customers, empty)
    settled = settle(customers, first)
    states = [decision.state for decision in first]
    del first

    scale = 100_000 / len(customers)
    print(f"{len(customers)} customers, {len(compiled.rules)} rules; figures for 100,000 customers")
    base = scale * best_of(3, lambda: decide_and_drop(compiled, settled, states))
    report("decisions of a shop at rest", base, "s")
    cold = scale * best_of(3, lambda: preview(population_of(compiled, settled, states), compiled))
    passed = report("preview of a shop at rest", cold / base, "x", BAR)
    took = scale * best_of(3, lambda: preview(population_of(compiled, customers, empty), compiled))
    passed &= report("preview of its first day", took / base, "x", BAR)
    for name, edited in edits().items():
        took = scale * best_of(3, lambda e=edited: preview(population_of(e, settled, states), e))
        passed &= report(f"preview after an edit: {name}", took / base, "x", BAR)
    compare(compiled, customers[: args.others], cold)
    return 0 if passed else 1


def edits() -> dict[str, CompiledRules]:
    """Return the rule sets after each edit of the rule whose tag most customers have."""
    rule_set = parse_rules(RULES.read_text())
    rule = next(rule for rule in rule_set.rules if rule.id == EDITED)
    rest = tuple(rule for rule in rule_set.rules if rule.id != EDITED)
    never = Condition(field="orders_count", op="at_least", value=1_000_000)
    changed = {
        "renamed": rule.model_copy(update={"tag": "Ngủ quên"}),
        "kept for 30 days": rule.model_copy(update={"keep": "30 days"}),
        "matches nobody": rule.model_copy(update={"when": never}),
    }
    compiled = {
        name: compile_rules(rule_set.model_copy(update={"rules": (*rest, edited)}))
        for name, edited in changed.items()
    }
    policies: tuple[OrphanPolicy, ...] = ("leave", "remove")
    for policy in policies:
        inheritance = Inheritance(orphan_policies={EDITED: policy})
        compiled[f"deleted, {policy}"] = compile_rules(
            rule_set.model_copy(update={"rules": rest}), inheritance=inheritance
        )
    return compiled


def population_of(
    compiled: CompiledRules, customers: Sequence[Customer], states: Sequence[CustomerState]
) -> Population:
    today = compiled.local_day(NOW_MS)
    return Population.of(zip(customers, states, strict=True), today=today, now_ms=NOW_MS)


def compare(compiled: CompiledRules, customers: Sequence[Customer], cold: float) -> None:
    """Report how long other engines take for the conditions alone."""
    today = compiled.local_day(NOW_MS)
    mappings = [as_mapping(compiled.build_facts(item, today)) for item in customers]
    scale = 100_000 / len(customers)
    for name, make_matcher, prepare in (("CEL", cel_matcher, cel.Context), ("zen", zen_matcher, dict)):
        prepared = [prepare(mapping) for mapping in mappings]
        matchers = [make_matcher(rule.when) for rule in compiled.rules]
        took = scale * best_of(2, lambda m=matchers, p=prepared: match_all_in_engine(m, p))
        report(f"conditions alone, {name}: {took / cold:.1f} × our whole preview", took, "s")


if __name__ == "__main__":
    sys.exit(main())
