"""Whatever happens to a shop, its customers' tags are those of a book that is kept by hand.

The book (book.py) and what it decides by (naive.py, matching.py) share no code with the product. Deeper, with a seed:
`python -m tests.reference --examples 2000 --seed 1`.

Controls, each a change of the product by hand, all found within 150 examples of 30 steps: `when_gone` not heard, holds or
ownership not kept, exclusions not heard, a roll-back that takes or puts nothing back, no day in the calendar, every
webhook an echo, the sweep in the shop's zone, a publish that passes over whose holds begin, a walk that keeps an old snapshot, a
deletion that passes for an echo. The last four stood in the product until this test found them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.reference.machine import Theatre, machine


@pytest.fixture
def theatre(redis_url: str) -> Iterator[Theatre]:
    theatre = Theatre(redis_url)
    yield theatre
    theatre.close()


def play(theatre: Theatre, *, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine(theatre),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(900)  # a difference is made small before it is told
def test_whatever_happens_tags_are_those_of_the_book(theatre: Theatre) -> None:
    play(theatre, examples=25, steps=12)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whatever_happens_for_long_tags_are_those_of_the_book(theatre: Theatre) -> None:
    play(theatre, examples=400, steps=30)
