"""How long a preview of 100,000 customers takes, beside deciding for each of them.

    python tests/bench/preview.py [--customers 100000] [--others 5000]

Bar: at most 1.6 times the decisions of a shop at rest, whatever was edited. Figures are processor time, the best of
three, taken in one run: a shop at rest; its first day, when nearly everybody gets tags; and edits of the rule whose tag
most customers have. Beside them only the conditions of the same rules over facts that are ready, in CEL
(common-expression-language) and zen-engine. The exit code is 1 if the bar is missed.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

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
    told,
)

BAR = 1.6
EDITED = "asleep"  # the id of the rule whose tag most customers have


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--others", type=int, default=5_000, help="customers for the other engines")
    asked = parser.parse_args()
    compiled = compile_rules(parse_rules(RULES.read_text()))
    dice = random.Random(1)
    crowd = [customer(number + 1, dice) for number in range(asked.customers)]
    first = decide_all(compiled, crowd, [EMPTY_STATE] * len(crowd))
    settled = [
        msgspec.structs.replace(one, tags=apply_change(tag_set(one.tags), decision.change).names)
        for one, decision in zip(crowd, first, strict=True)
    ]
    standings = [decision.state for decision in first]
    del first

    scale = 100_000 / len(crowd)
    print(f"{len(crowd)} customers, {len(compiled.rules)} rules; figures for 100,000 customers")
    base = scale * best_of(3, lambda: decide_each(compiled, settled, standings))
    told("decisions of a shop at rest", base, "s")
    cold = scale * best_of(3, lambda: preview(gathered(compiled, settled, standings), compiled))
    good = told("preview of a shop at rest", cold / base, "x", BAR)
    nothing = [EMPTY_STATE] * len(crowd)
    took = scale * best_of(3, lambda: preview(gathered(compiled, crowd, nothing), compiled))
    good &= told("preview of its first day", took / base, "x", BAR)
    for name, rules in edits().items():
        took = scale * best_of(3, lambda r=rules: preview(gathered(r, settled, standings), r))
        good &= told(f"preview after an edit: {name}", took / base, "x", BAR)
    compare(compiled, crowd[: asked.others], cold)
    return 0 if good else 1


def edits() -> dict[str, CompiledRules]:
    """The rules with the rule edited whose tag most customers have."""
    whole = parse_rules(RULES.read_text())
    rule = next(one for one in whole.rules if one.id == EDITED)
    others = tuple(one for one in whole.rules if one.id != EDITED)
    nobody = Condition(field="orders_count", op="at_least", value=1_000_000)
    changed = {
        "renamed": rule.model_copy(update={"tag": "Ngủ quên"}),
        "kept for 30 days": rule.model_copy(update={"keep": "30 days"}),
        "matches nobody": rule.model_copy(update={"when": nobody}),
    }
    found = {
        name: compile_rules(whole.model_copy(update={"rules": (*others, edited)}))
        for name, edited in changed.items()
    }
    gone: tuple[OrphanPolicy, ...] = ("leave", "remove")
    for wish in gone:
        past = Inheritance(orphan_policies={EDITED: wish})
        found[f"deleted, {wish}"] = compile_rules(
            whole.model_copy(update={"rules": others}), inheritance=past
        )
    return found


def gathered(
    compiled: CompiledRules, crowd: Sequence[Customer], standings: Sequence[CustomerState]
) -> Population:
    today = compiled.local_day(NOW_MS)
    return Population.of(zip(crowd, standings, strict=True), today=today, now_ms=NOW_MS)


def compare(compiled: CompiledRules, crowd: Sequence[Customer], cold: float) -> None:
    """The other engines' time for nothing but the conditions."""
    plain = [as_mapping(compiled.build_facts(one, compiled.local_day(NOW_MS))) for one in crowd]
    for name, make, ready in (("CEL", cel_matcher, cel.Context), ("zen", zen_matcher, dict)):
        given = [ready(one) for one in plain]
        matchers = [make(rule.when) for rule in compiled.rules]
        took = 100_000 / len(crowd) * best_of(2, lambda m=matchers, g=given: match_others(m, g))
        told(f"conditions alone, {name}: {took / cold:.1f} × our whole preview", took, "s")


if __name__ == "__main__":
    sys.exit(main())
