"""How long a preview of 100,000 customers takes: twenty rules from nothing, and one edited rule afterwards.

    python tests/bench/preview.py [--customers 100000] [--others 5000]

Bars: at most 2 s of one core cold (everybody's facts, all rules, counts, examples), at most 100 ms warm for one
edited rule; both on a shop at rest and on its first day, when nearly everybody gets tags. Figures are processor
time, the best of three (cold) and five (warm). Beside them, in the same run, only the conditions of the same
rules over facts that are ready, in CEL (common-expression-language) and zen-engine. The exit code is 1 if a bar is
missed.
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

from service.domain.compilation import compile_rules
from service.domain.customers import Customer
from service.domain.evaluation import Compiled
from service.domain.impact import preview
from service.domain.parsing import parse_rules
from service.domain.population import Population, population
from service.domain.standing import NOTHING, Standing
from service.domain.tags import after, tag_set
from tests.bench.engines import as_mapping, cel_matcher, zen_matcher
from tests.bench.evaluation import NOW_MS, RULES, best_of, customer, decide_all, match_others, told

COLD_S, WARM_MS = 2.0, 100.0
EDITS = tuple(
    f"value: {millions}_000_000}}}}" for millions in (9, 8, 11, 12, 7)
)  # of the first rule, 10 million


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--others", type=int, default=5_000, help="customers for the other engines")
    asked = parser.parse_args()
    text = RULES.read_text()
    compiled = compile_rules(parse_rules(text))
    edited = [compile_rules(parse_rules(text.replace("value: 10_000_000}}", edit, 1))) for edit in EDITS]
    dice = random.Random(1)
    crowd = [customer(number + 1, dice) for number in range(asked.customers)]
    first = decide_all(compiled, crowd, [NOTHING] * len(crowd))
    settled = [
        msgspec.structs.replace(one, tags=after(tag_set(one.tags), decision.change).listed)
        for one, decision in zip(crowd, first, strict=True)
    ]
    standings = [decision.standing for decision in first]

    print(f"{len(crowd)} customers, {len(compiled.rules)} rules; figures for 100,000 customers")
    cold, good = measure("a shop at rest", compiled, edited, settled, standings)
    good &= measure("its first day", compiled, edited, crowd, [NOTHING] * len(crowd))[1]
    compare(compiled, crowd[: asked.others], cold)
    return 0 if good else 1


def measure(
    name: str,
    compiled: Compiled,
    edited: Sequence[Compiled],
    crowd: Sequence[Customer],
    standings: Sequence[Standing],
) -> tuple[float, bool]:
    """Print both figures of one shop; returns the cold one, and whether both are within their bars."""
    scale = 100_000 / len(crowd)
    today = compiled.day_of(NOW_MS)

    def gathered() -> Population:
        return population(zip(crowd, standings, strict=True), today=today, now_ms=NOW_MS)

    cold = scale * best_of(3, lambda: preview(gathered(), compiled))
    good = told(f"preview of all rules, cold: {name}", cold, "s", COLD_S)
    people = gathered()
    preview(people, compiled)
    left = iter(edited)
    warm = 1000 * scale * best_of(len(edited), lambda: preview(people, next(left)))
    return cold, told(f"preview of one edited rule, warm: {name}", warm, "ms", WARM_MS) and good


def compare(compiled: Compiled, crowd: Sequence[Customer], cold: float) -> None:
    """The other engines' time for nothing but the conditions."""
    plain = [as_mapping(compiled.facts(one, compiled.day_of(NOW_MS))) for one in crowd]
    for name, make, ready in (("CEL", cel_matcher, cel.Context), ("zen", zen_matcher, dict)):
        given = [ready(one) for one in plain]
        matchers = [make(rule.when) for rule in compiled.rules]
        took = 100_000 / len(crowd) * best_of(2, lambda m=matchers, g=given: match_others(m, g))
        told(f"conditions alone, {name}: {took / cold:.1f} × our whole preview", took, "s")


if __name__ == "__main__":
    sys.exit(main())
