"""`python -m tests.model [--slow] [words of a walk's name]`: walk, and print states, seconds and what is wrong."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from tests.model.explore import walk
from tests.model.scope import Scope
from tests.model.scopes import CONTROLS, HOLDS, MENDED, SLOW, without


def main(words: Sequence[str]) -> int:
    """The exit code is 1 where something is wrong for good that should not be."""
    name = " ".join(word for word in words if word != "--slow")
    wide = SLOW if "--slow" in words else ()
    wrong = [report(scope) for scope in (*HOLDS, *MENDED, *wide) if name in scope.name]
    if not name:
        for control in CONTROLS:
            report(without(control))
    return int(any(wrong))


def report(scope: Scope) -> bool:
    """Walk and print; with the shortest history where something is wrong for good."""
    began = time.perf_counter()
    walked = walk(scope)
    seconds = time.perf_counter() - began
    print(f"{scope.name:60} {walked.states:>10,} states {seconds:7.1f} s  {walked.wrong or 'nothing wrong'}")
    for number, step in enumerate(walked.history, 1):
        print(f"    {number:3} {step}")
    return bool(walked.wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
