"""Whatever happens to a shop, its customers have the expected tags.

The expected shop (expected_shop.py) and what it decides by (evaluator.py, conditions.py) share no code with the service.
Deeper, with a seed: `python -m tests.reference --examples 2000 --seed 1`.

As a control, each of these faults was put into the service, and found within 150 examples of 30 steps: `when_gone`
ignored; holds, ownership or exclusions ignored; a roll-back that revokes or restores nothing; no day in the calendar;
every webhook taken for an echo; the sweep in the time zone of the shop; a publication that leaves out customers whose
holds begin; a scan that keeps an old snapshot; a deletion taken for an echo. The last four were real faults.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.reference.machine import ScenarioRunner, machine


@pytest.fixture
def runner(redis_url: str, queue_url: str) -> Iterator[ScenarioRunner]:
    runner = ScenarioRunner(redis_url, queue_url)
    yield runner
    runner.close()


def run_machine(runner: ScenarioRunner, *, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine(runner),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(900)  # hypothesis shrinks a difference before it reports it
def test_customers_have_the_expected_tags_whatever_happens(runner: ScenarioRunner) -> None:
    run_machine(runner, examples=25, steps=12)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_customers_have_the_expected_tags_whatever_happens_for_long(runner: ScenarioRunner) -> None:
    run_machine(runner, examples=400, steps=30)
