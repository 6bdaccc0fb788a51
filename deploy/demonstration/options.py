"""What a demo can be asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """`once`: play one fixed day, check everything and end; else play until Ctrl-C."""

    once: bool = False
    customers: int = 500
    port: int = 0  # of the web process; 0 takes a free one
    seed: int = 1
    morning: int = (
        40  # happenings of the fixed day while everybody is looked at, one on the heels of the other
    )
    afternoon: int = 20  # and afterwards, one at a time
    pace_s: float = 2.5  # between two happenings, on average; a person should be able to follow
    hurry_s: float = 0.3  # the same for the fixed day
