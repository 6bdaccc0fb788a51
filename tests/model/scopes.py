"""The walks: what must hold, and for each rule a walk that shows what comes of dropping it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tests.model.scope import Budget, Rules, Scope

QUICK: Final = (
    Scope(name="crash and a lost answer", budget=Budget(acts=3, crashes=1, losses=1)),
    Scope(name="a delivery that repeats", budget=Budget(acts=3, crashes=1, repeats=1)),
    Scope(name="a stalled holder", budget=Budget(acts=3, stalls=1)),
    Scope(name="a stalled holder, no echo", budget=Budget(acts=4, stalls=1), echo=False),
    Scope(
        name="a stalled holder that crashes, no echo",
        budget=Budget(acts=4, crashes=1, stalls=1),
        echo=False,
        scrub=True,
    ),
    Scope(name="a lost answer, no echo", budget=Budget(acts=4, crashes=1, losses=1), echo=False, scrub=True),
    Scope(name="tags set by hand", budget=Budget(acts=3, crashes=1), kinds=("value", "hand")),
    Scope(name="publish", budget=Budget(acts=3, crashes=1), kinds=("value", "publish")),
    Scope(
        name="publish before the first look", budget=Budget(acts=2), kinds=("value", "publish"), known=False
    ),
    Scope(name="midnight", budget=Budget(acts=3, crashes=1), kinds=("value", "midnight")),
    Scope(name="deletion", budget=Budget(acts=2, crashes=1, wrong_404=2), kinds=("value", "delete")),
    Scope(name="lists that lag", budget=Budget(acts=3, lags=1)),
    Scope(name="lists that lag, and a publish", budget=Budget(acts=2, lags=1), kinds=("value", "publish")),
    Scope(
        name="lists that lag and a publish, no echo",
        budget=Budget(acts=3, lags=1),
        kinds=("value", "publish"),
        echo=False,
        scrub=True,
    ),
    Scope(name="a page walk", budget=Budget(acts=3, crashes=1), page_walk=True),
)


SLOW: Final = (
    Scope(
        name="everything that can fail",
        budget=Budget(acts=3, crashes=1, losses=1, stalls=1),
        kinds=("value", "hand"),
    ),
)


@dataclass(frozen=True, slots=True)
class Control:
    """A rule, the walk that misses it, and what comes of it."""

    rule: str
    scope: Scope
    wrong: str


CONTROLS: Final[tuple[Control, ...]] = ()


def dropped(rule: str, scope: Scope) -> Scope:
    """The same walk without one rule."""
    return replace(scope, name=f"without {rule}", rules=replace(Rules(), **{rule: False}))
