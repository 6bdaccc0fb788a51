"""`python -m tests.reference --examples N [--steps N] [--seed S]`: the tests against the evaluator, with more examples."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from tests.reference.machine import ScenarioRunner, machine
from tests.reference.test_evaluator import check_any_customer, check_any_history
from tests.support.valkey import valkey


def main() -> int:
    """Exit with 1 if there is a difference. Hypothesis prints the shortest history that shows it."""
    arguments = _arguments()
    print(f"seed {arguments.seed}")
    deep = settings(
        max_examples=arguments.examples,
        stateful_step_count=arguments.steps,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    for check in (check_any_customer, check_any_history):
        _report(check.__name__, hypothesis.seed(arguments.seed)(deep(given(data=st.data())(check))))
    with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
        runner = ScenarioRunner(url, url)
        shop: Any = hypothesis.seed(arguments.seed)(machine(runner))
        _report("check_any_shop", lambda: run_state_machine_as_test(shop, settings=deep))
        runner.close()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.reference", description=__doc__)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    return parser.parse_args()


def _report(name: str, check: Callable[[], object]) -> None:
    began = time.perf_counter()
    check()
    print(f"{name:20} {time.perf_counter() - began:7.1f} s  no difference")


if __name__ == "__main__":
    sys.exit(main())
