"""`python -m tests.model [--slow] [words of a scope's name]`: explores, and prints states, seconds and faults."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from tests.model.explore import explore
from tests.model.scope import Scope
from tests.model.scopes import CONTROLS, HOLDS, SLOW, without


def main(words: Sequence[str]) -> int:
    """Explore the scopes. The exit code is 1 if one of them has a lasting fault."""
    name = " ".join(word for word in words if word != "--slow")
    wide = SLOW if "--slow" in words else ()
    wrong = [report(scope) for scope in (*HOLDS, *wide) if name in scope.name]
    if not name:
        for control in CONTROLS:
            report(without(control))
    return int(any(wrong))


def report(scope: Scope) -> bool:
    """Explore one scope and print the result, with the shortest history of a fault."""
    began = time.perf_counter()
    exploration = explore(scope)
    seconds = time.perf_counter() - began
    print(
        f"{scope.name:60} {exploration.states:>10,} states {seconds:7.1f} s  {exploration.wrong or 'nothing wrong'}"
    )
    for number, step in enumerate(exploration.history, 1):
        print(f"    {number:3} {step}")
    return bool(exploration.wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
