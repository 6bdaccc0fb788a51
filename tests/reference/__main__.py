"""`python -m tests.reference --examples N [--steps N] [--seed S]`: the stateful test and the second opinion, deeply."""

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

from tests.reference.machine import Theatre, machine
from tests.reference.test_second_opinion import a_life, any_customer
from tests.support.valkey import valkey


def main() -> int:
    """The exit code is 1 where a difference was found; hypothesis prints the shortest history that shows it."""
    asked = _arguments()
    print(f"seed {asked.seed}")
    deep = settings(
        max_examples=asked.examples,
        stateful_step_count=asked.steps,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    for check in (any_customer, a_life):
        _report(check.__name__, hypothesis.seed(asked.seed)(deep(given(data=st.data())(check))))
    with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
        theatre = Theatre(url)
        shop: Any = hypothesis.seed(asked.seed)(machine(theatre))
        _report("a_shop", lambda: run_state_machine_as_test(shop, settings=deep))
        theatre.close()
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
