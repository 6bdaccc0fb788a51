"""How long 100,000 customers take: their facts, twenty rules, the decision and the next day to look.

    python tests/bench/evaluation.py [--customers 100000] [--others 5000]

Bars: at most 1 s of one core from decoded snapshots for everything together, as in a shop at rest; at most
28 ms for one rule over facts that are ready, as a preview has them and asks it. Figures are processor time, the
best of five. Beside it the conditions alone, in the same run, in CEL (common-expression-language) and zen-engine,
which get their facts ready as well; every answer is compared. The exit code is 1 if a bar is missed or an answer
differs.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import cel
import msgspec

from service.domain.customers.customer import Customer, decode_snapshot, encode_snapshot
from service.domain.customers.tags import apply_change, tag_set
from service.domain.decisions.decide import Decision, decide
from service.domain.decisions.state import EMPTY_STATE, CustomerState
from service.domain.documents.parser import parse_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.engine.facts import Facts
from tests.bench.engines import Matcher, as_mapping, cel_matcher, zen_matcher

RULES = Path(__file__).parents[1] / "payloads/rules/twenty.yaml"
DAY_MS = 86_400_000
NOW_MS = 1_795_255_200_000  # 21 November 2026
BAR_S, BAR_RULE_MS = 1.0, 28.0
PLACES = (None, "Hồ Chí Minh", "Hà Nội", "Đà Nẵng", "Hải Phòng", "Cần Thơ")
TAGS = ("Facebook", "Zalo", "Khách sỉ", "hội viên", "dai-ly", "web", "blacklist")


def customer(number: int, dice: random.Random) -> Customer:
    """A made-up customer: a quarter never ordered, half have a birthday, most have a tag or two."""
    orders = dice.choice((0, 0, 1, 1, 2, 3, 5, 9))
    return Customer(
        id=number,
        updated_ms=NOW_MS,
        total_spent=orders * dice.randrange(100_000, 3_000_000) * 10_000,
        orders_count=orders,
        tags=tuple(dice.sample(TAGS, dice.randrange(3))),
        created_ms=NOW_MS - dice.randrange(900 * DAY_MS),
        last_order_ms=NOW_MS - dice.randrange(400 * DAY_MS) if orders else None,
        birthday_ms=dice.randrange(-(10**12), 10**12) if dice.random() < 0.5 else None,
        gender=dice.choice((None, 0, 1)),
        state="disabled",
        accepts_marketing=dice.random() < 0.5,
        verified_email=dice.random() < 0.5,
        group=dice.choice((None, "Khách sỉ", "Khách lẻ")),
        province=dice.choice(PLACES),
        email=dice.choice((None, f"khach{number}@example.com")),
        phone="0900000001",
        first_name="An",
        last_name="Lê",
    )


def best_of(times: int, work: Callable[[], object]) -> float:
    """The least processor time that the work took, in seconds."""
    gc.collect()
    gc.freeze()  # the crowd is not the work's garbage
    found = []
    for _ in range(times):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    gc.unfreeze()
    return min(found)


def decide_all(
    compiled: CompiledRules, crowd: Sequence[Customer], standings: Sequence[CustomerState]
) -> list[Decision]:
    today = compiled.local_day(NOW_MS)
    return [
        decide(rules=compiled, customer=one, state=standing, today=today, now_ms=NOW_MS, version=1)
        for one, standing in zip(crowd, standings, strict=True)
    ]


def decide_each(
    compiled: CompiledRules, crowd: Sequence[Customer], standings: Sequence[CustomerState]
) -> None:
    """The same, keeping nothing, as a preview and a publish do."""
    today = compiled.local_day(NOW_MS)
    for one, standing in zip(crowd, standings, strict=True):
        decide(rules=compiled, customer=one, state=standing, today=today, now_ms=NOW_MS, version=1)


def make_each(compiled: CompiledRules, crowd: Sequence[Customer]) -> None:
    """The facts alone, keeping nothing."""
    today = compiled.local_day(NOW_MS)
    for one in crowd:
        compiled.build_facts(one, today)


def count(matches: Callable[[Facts], bool], crowd: Sequence[Facts]) -> int:
    """How many match one rule, asked as a preview asks."""
    return sum(map(matches, crowd))


def match_all(matchers: Sequence[Callable[[Facts], bool]], crowd: Sequence[Facts]) -> int:
    return sum(1 for facts in crowd for matches in matchers if matches(facts))


def match_others(matchers: Sequence[Matcher], crowd: Sequence[object]) -> int:
    return sum(1 for facts in crowd for matches in matchers if matches(facts))


def told(name: str, figure: float, unit: str, bar: float | None = None) -> bool:
    """Print one figure; returns whether it is within its bar."""
    good = bar is None or figure <= bar
    verdict = "" if bar is None else f"   bar {bar:g} {unit}   {'pass' if good else 'FAIL'}"
    print(f"{name:<58}{figure:9.3f} {unit}{verdict}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--others", type=int, default=5_000, help="customers for the other engines")
    asked = parser.parse_args()
    size, scale = asked.customers, 100_000 / asked.customers
    compiled = compile_rules(parse_rules(RULES.read_text()))
    dice = random.Random(1)
    snapshots = [encode_snapshot(customer(number + 1, dice)) for number in range(size)]
    crowd = [*map(decode_snapshot, snapshots)]
    first = decide_all(compiled, crowd, [EMPTY_STATE] * size)
    settled = [
        msgspec.structs.replace(one, tags=apply_change(tag_set(one.tags), decision.change).names)
        for one, decision in zip(crowd, first, strict=True)
    ]
    standings = [decision.state for decision in first]
    del first
    today = compiled.local_day(NOW_MS)

    print(f"{size} customers, {len(compiled.rules)} rules; seconds for 100,000 customers")
    told("decoding the snapshots", scale * best_of(3, lambda: [*map(decode_snapshot, snapshots)]), "s")
    told("making the facts", scale * best_of(3, lambda: make_each(compiled, settled)), "s")
    whole = scale * best_of(5, lambda: decide_each(compiled, settled, standings))
    good = told("facts, rules, decision, next day: a shop at rest", whole, "s", BAR_S)
    first_day = scale * best_of(1, lambda: decide_each(compiled, crowd, [EMPTY_STATE] * size))
    told("the same on the first day, five additions a customer", first_day, "s")
    facts = [compiled.build_facts(one, today) for one in settled]
    for rule in compiled.rules:
        took = 1000 * scale * best_of(3, partial(count, rule.matches, facts))
        good &= told(f"one rule over ready facts: {rule.id}", took, "ms", BAR_RULE_MS)
    some = [compiled.build_facts(one, today) for one in settled[: asked.others]]
    return 0 if compare(compiled, some) and good else 1


def compare(compiled: CompiledRules, some: Sequence[Facts]) -> bool:
    """The conditions alone, in three engines; returns whether all answers agree."""
    plain = [as_mapping(one) for one in some]
    scale = 100_000 / len(some)
    ours = [rule.matches for rule in compiled.rules]
    base = scale * best_of(3, lambda: match_all(ours, some))
    told("conditions alone, ours", base, "s")
    agree = True
    for name, make, ready in (("CEL", cel_matcher, cel.Context), ("zen", zen_matcher, dict)):
        given: list[Any] = [ready(one) for one in plain]
        theirs = [make(rule.when) for rule in compiled.rules]
        took = scale * best_of(2, partial(match_others, theirs, given))
        told(f"conditions alone, {name}: {took / base:.1f} times as long", took, "s")
        same = all(
            mine(one) is other(mapping)
            for mine, other in zip(ours, theirs, strict=True)
            for one, mapping in zip(some, given, strict=True)
        )
        agree &= same
        print(f"  every answer as ours: {'yes' if same else 'NO'}")
    return agree


if __name__ == "__main__":
    sys.exit(main())
