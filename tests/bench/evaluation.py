"""How long 20 rules take over 100,000 customers: facts, conditions, decisions and the day of the next change.

Bars: at most 1 s of one core for everything from decoded snapshots, in a shop at rest; at most 28 ms for one rule over
prepared facts. Figures are processor time, the best of five. Beside it are the conditions alone in CEL
(common-expression-language) and zen-engine, with prepared facts too; every answer is compared. The exit code is 1 if
a bar is missed or an answer differs.
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
from tests.bench.report import report

RULES = Path(__file__).parents[1] / "payloads/rules/twenty.yaml"
DAY_MS = 86_400_000
NOW_MS = 1_795_255_200_000  # 21 November 2026
BAR_S, BAR_RULE_MS = 1.0, 28.0
PLACES = (None, "Hồ Chí Minh", "Hà Nội", "Đà Nẵng", "Hải Phòng", "Cần Thơ")
TAGS = ("Facebook", "Zalo", "Khách sỉ", "hội viên", "dai-ly", "web", "blacklist")


def customer(number: int, rng: random.Random) -> Customer:
    """A random customer: a quarter have no order, half have a birthday, most have a tag or two."""
    orders = rng.choice((0, 0, 1, 1, 2, 3, 5, 9))
    return Customer(
        id=number,
        updated_ms=NOW_MS,
        total_spent=orders * rng.randrange(100_000, 3_000_000) * 10_000,
        orders_count=orders,
        tags=tuple(rng.sample(TAGS, rng.randrange(3))),
        created_ms=NOW_MS - rng.randrange(900 * DAY_MS),
        last_order_ms=NOW_MS - rng.randrange(400 * DAY_MS) if orders else None,
        birthday_ms=rng.randrange(-(10**12), 10**12) if rng.random() < 0.5 else None,
        gender=rng.choice((None, 0, 1)),
        state="disabled",
        accepts_marketing=rng.random() < 0.5,
        verified_email=rng.random() < 0.5,
        group=rng.choice((None, "Khách sỉ", "Khách lẻ")),
        province=rng.choice(PLACES),
        email=rng.choice((None, f"khach{number}@example.com")),
        phone="0900000001",
        first_name="An",
        last_name="Lê",
    )


def best_of(times: int, work: Callable[[], object]) -> float:
    """The shortest processor time of the work, in seconds."""
    gc.collect()
    gc.freeze()  # the customers are not garbage of the work
    durations = []
    for _ in range(times):
        started = time.process_time()
        work()
        durations.append(time.process_time() - started)
    gc.unfreeze()
    return min(durations)


def decide_all(
    compiled: CompiledRules, customers: Sequence[Customer], states: Sequence[CustomerState]
) -> list[Decision]:
    today = compiled.local_day(NOW_MS)
    return [
        decide(rules=compiled, customer=member, state=state, today=today, now_ms=NOW_MS, version=1)
        for member, state in zip(customers, states, strict=True)
    ]


def decide_each(
    compiled: CompiledRules, customers: Sequence[Customer], states: Sequence[CustomerState]
) -> None:
    """The same without keeping the decisions."""
    today = compiled.local_day(NOW_MS)
    for member, state in zip(customers, states, strict=True):
        decide(rules=compiled, customer=member, state=state, today=today, now_ms=NOW_MS, version=1)


def build_facts(compiled: CompiledRules, customers: Sequence[Customer]) -> None:
    """Build the facts alone, without keeping them."""
    today = compiled.local_day(NOW_MS)
    for member in customers:
        compiled.build_facts(member, today)


def count(matches: Callable[[Facts], bool], customers: Sequence[Facts]) -> int:
    """How many customers match one rule."""
    return sum(map(matches, customers))


def match_all(matchers: Sequence[Callable[[Facts], bool]], customers: Sequence[Facts]) -> int:
    return sum(1 for facts in customers for matches in matchers if matches(facts))


def match_others(matchers: Sequence[Matcher], customers: Sequence[object]) -> int:
    return sum(1 for facts in customers for matches in matchers if matches(facts))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--others", type=int, default=5_000, help="customers for the other engines")
    options = parser.parse_args()
    size, scale = options.customers, 100_000 / options.customers
    compiled = compile_rules(parse_rules(RULES.read_text()))
    rng = random.Random(1)
    snapshots = [encode_snapshot(customer(number + 1, rng)) for number in range(size)]
    customers = [*map(decode_snapshot, snapshots)]
    first = decide_all(compiled, customers, [EMPTY_STATE] * size)
    settled = [
        msgspec.structs.replace(member, tags=apply_change(tag_set(member.tags), decision.change).names)
        for member, decision in zip(customers, first, strict=True)
    ]
    states = [decision.state for decision in first]
    del first
    today = compiled.local_day(NOW_MS)

    print(f"{size} customers, {len(compiled.rules)} rules; seconds for 100,000 customers")
    report("decoding the snapshots", scale * best_of(3, lambda: [*map(decode_snapshot, snapshots)]), "s")
    report("building the facts", scale * best_of(3, lambda: build_facts(compiled, settled)), "s")
    whole = scale * best_of(5, lambda: decide_each(compiled, settled, states))
    passes = report("decisions of a shop at rest", whole, "s", at_most=BAR_S)
    first_day = scale * best_of(1, lambda: decide_each(compiled, customers, [EMPTY_STATE] * size))
    report("the same on the first day, five additions a customer", first_day, "s")
    facts = [compiled.build_facts(member, today) for member in settled]
    for rule in compiled.rules:
        took = 1000 * scale * best_of(3, partial(count, rule.matches, facts))
        passes &= report(f"one rule over prepared facts: {rule.id}", took, "ms", at_most=BAR_RULE_MS)
    sample = [compiled.build_facts(member, today) for member in settled[: options.others]]
    return 0 if compare(compiled, sample) and passes else 1


def compare(compiled: CompiledRules, sample: Sequence[Facts]) -> bool:
    """The conditions alone in three engines. False if an answer differs."""
    plain = [as_mapping(facts) for facts in sample]
    scale = 100_000 / len(sample)
    ours = [rule.matches for rule in compiled.rules]
    base = scale * best_of(3, lambda: match_all(ours, sample))
    report("conditions alone, ours", base, "s")
    agree = True
    for name, make, prepare in (("CEL", cel_matcher, cel.Context), ("zen", zen_matcher, dict)):
        contexts: list[Any] = [prepare(facts) for facts in plain]
        theirs = [make(rule.when) for rule in compiled.rules]
        took = scale * best_of(2, partial(match_others, theirs, contexts))
        report(f"conditions alone, {name}: {took / base:.1f} times as long", took, "s")
        same = all(
            our_matcher(facts) is their_matcher(mapping)
            for our_matcher, their_matcher in zip(ours, theirs, strict=True)
            for facts, mapping in zip(sample, contexts, strict=True)
        )
        agree &= same
        print(f"  every answer equals ours: {'yes' if same else 'NO'}")
    return agree


if __name__ == "__main__":
    sys.exit(main())
