"""How a benchmark prints its figures: each beside its bar, with pass or fail."""

from __future__ import annotations

from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def report(
    name: str, figure: float, unit: str, *, at_most: float | None = None, at_least: float | None = None
) -> bool:
    """Print one figure. False if it misses its bar."""
    passes = (at_most is None or figure <= at_most) and (at_least is None or figure >= at_least)
    bars = [f"bar ≤ {at_most:g}"] if at_most is not None else []
    bars += [f"bar ≥ {at_least:g}"] if at_least is not None else []
    verdict = f"   {', '.join(bars)} {unit}   {'pass' if passes else 'FAIL'}" if bars else ""
    print(f"{name:<58}{figure:9.3f} {unit}{verdict}", flush=True)
    return passes
