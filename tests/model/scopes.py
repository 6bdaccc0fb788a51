"""The walks: what holds with the service's rules, what would with all, and what comes of dropping each."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final

from tests.model.scope import Budget, Rules, Scope

ALL: Final = Rules(**{rule.name: True for rule in fields(Rules)})

HOLDS: Final = (
    Scope(name="a delivery that repeats", budget=Budget(acts=3, crashes=1, repeats=1)),
    Scope(name="a late removal or addition", budget=Budget(acts=1, losses=1, crashes=1)),
    Scope(name="tags set by hand", budget=Budget(acts=3, crashes=1), kinds=("value", "hand")),
    Scope(name="publish", budget=Budget(acts=2, crashes=1), kinds=("value", "publish")),
    Scope(name="midnight", budget=Budget(acts=3, crashes=1), kinds=("value", "midnight")),
    Scope(name="deletion", budget=Budget(acts=2, crashes=1, wrong_404=2), kinds=("value", "delete")),
    Scope(name="a page walk", budget=Budget(acts=2, crashes=1), page_walk=True),
    Scope(
        name="all that people do",
        budget=Budget(acts=2, crashes=1),
        kinds=("value", "hand", "publish", "midnight", "delete"),
    ),
)

MENDED: Final = (
    Scope(name="a lost answer", budget=Budget(acts=2, crashes=1, losses=1), rules=ALL),
    Scope(
        name="a lost answer, no echo",
        budget=Budget(acts=3, crashes=1, losses=1),
        echo=False,
        rules=ALL,
    ),
    Scope(name="a stalled holder", budget=Budget(acts=2, stalls=1), rules=ALL),
    Scope(name="a stalled holder, no echo", budget=Budget(acts=3, stalls=1), echo=False, rules=ALL),
    Scope(
        name="a stalled holder that crashes, no echo",
        budget=Budget(acts=3, crashes=1, stalls=1),
        echo=False,
        scrub=True,
        rules=ALL,
    ),
    Scope(
        name="publish before the first look",
        budget=Budget(acts=2),
        kinds=("value", "publish"),
        known=False,
        rules=ALL,
    ),
    Scope(name="lists that lag", budget=Budget(acts=3, lags=1), rules=ALL),
    Scope(
        name="lists that lag, and a publish",
        budget=Budget(acts=2, lags=1),
        kinds=("value", "publish"),
        rules=ALL,
    ),
    Scope(
        name="lists that lag and a publish, no echo",
        budget=Budget(acts=3, lags=1),
        kinds=("value", "publish"),
        echo=False,
        scrub=True,
        rules=ALL,
    ),
    Scope(
        name="a lost answer, and tags set by hand",
        budget=Budget(acts=2, losses=1),
        kinds=("value", "hand"),
        rules=ALL,
    ),
)

SLOW: Final = (
    Scope(
        name="everything that can fail",
        budget=Budget(acts=3, crashes=1, losses=1, stalls=1),
        kinds=("value", "hand"),
        rules=ALL,
    ),
    Scope(
        name="all that people do, and a lost answer",
        budget=Budget(acts=3, crashes=1, losses=1),
        kinds=("value", "hand", "publish", "midnight", "delete"),
        rules=ALL,
    ),
    Scope(name="lists that lag twice", budget=Budget(acts=4, lags=2), rules=ALL),
)

# Small walks whose script calls, all of them, are run on the real store.
REFINED: Final = (
    Scope(name="failures", budget=Budget(acts=2, crashes=1, losses=1, stalls=1)),
    Scope(name="people", budget=Budget(acts=2), kinds=("value", "hand", "publish")),
    Scope(name="time", budget=Budget(acts=2, wrong_404=1), kinds=("value", "midnight", "delete")),
    Scope(name="lag", budget=Budget(acts=2, lags=1)),
)


@dataclass(frozen=True, slots=True)
class Control:
    """A rule, the walk that misses it, and what comes of dropping it there."""

    rule: str
    walk: str
    wrong: str


ABSENT: Final = "a wanted tag is not there"
LEFT: Final = "a tag of ours is there that nobody wants"
UNKNOWN: Final = "a tag of ours is not known to be ours"

CONTROLS: Final = (
    Control("take_forgets_read", "a lost answer, no echo", ABSENT),
    Control("settle_checks_mark", "publish", LEFT),
    Control("settle_checks_version", "publish", LEFT),
    Control("permit_leaves_only_the_expected", "a lost answer, and tags set by hand", ABSENT),
    Control("absent_intents_are_kept", "a late removal or addition", UNKNOWN),
    Control("gone_needs_two_looks", "deletion", ABSENT),
    Control("a_good_look_forgets_gone", "deletion", ABSENT),
    Control("publish_marks", "publish", ABSENT),
    Control("plans_are_of_the_live_version", "publish before the first look", LEFT),
    Control("plans_are_begun_once", "a stalled holder that crashes, no echo", LEFT),
    Control("answers_leave_earlier_intents", "a lost answer, no echo", LEFT),
    Control("intents_stand_side_by_side", "a lost answer, no echo", LEFT),
    Control("young_intents_stay", "a lost answer, no echo", LEFT),
    Control("young_ownership_outlives_absence", "lists that lag, and a publish", LEFT),
    Control("told_outlives_marks", "lists that lag, and a publish", LEFT),
)

# Others behind them catch what these let through: they save calls and time, and no walk ends wrong without one.
SECOND_WALLS: Final = (
    "permit_checks_mark",
    "lagging_records_wait",
    "late_writer_marks_again",
    "open_intents_are_looked_at_again",
)


def without(control: Control) -> Scope:
    """The control's walk with every rule but that one."""
    scope = next(each for each in (*MENDED, *HOLDS, *SLOW) if each.name == control.walk)
    return replace(scope, name=f"without: {control.rule}", rules=replace(ALL, **{control.rule: False}))
