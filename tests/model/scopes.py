"""The scopes: those without a fault, and for each rule one with a fault if the service drops the rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tests.model.scope import Budget, Rules, Scope

HOLDS: Final = (
    Scope(name="a delivery that repeats", budget=Budget(acts=3, crashes=1, repeats=1)),
    Scope(name="a late removal or addition", budget=Budget(acts=1, losses=1, crashes=1)),
    Scope(name="tags set by hand", budget=Budget(acts=3, crashes=1), kinds=("value", "hand")),
    Scope(name="publish", budget=Budget(acts=2, crashes=1), kinds=("value", "publish")),
    Scope(
        name="a field that is missing at times",
        budget=Budget(acts=3, crashes=1),
        kinds=("value", "lack", "publish"),
    ),
    Scope(name="midnight", budget=Budget(acts=3, crashes=1), kinds=("value", "midnight")),
    Scope(name="deletion", budget=Budget(acts=2, crashes=1, wrong_404=2), kinds=("value", "delete")),
    Scope(name="a scan", budget=Budget(acts=2, crashes=1), scan=True),
    Scope(
        name="all that people do",
        budget=Budget(acts=2, crashes=1),
        kinds=("value", "hand", "publish", "midnight", "delete"),
    ),
    Scope(name="a lost answer", budget=Budget(acts=2, crashes=1, losses=1)),
    Scope(
        name="a lost answer, no echo",
        budget=Budget(acts=3, crashes=1, losses=1),
        echo=False,
    ),
    Scope(name="a stalled holder", budget=Budget(acts=2, stalls=1)),
    Scope(name="a stalled holder, no echo", budget=Budget(acts=3, stalls=1), echo=False),
    Scope(
        name="a stalled holder that crashes, no echo",
        budget=Budget(acts=3, crashes=1, stalls=1),
        echo=False,
        audit=True,
    ),
    Scope(
        name="publish before the first look",
        budget=Budget(acts=2),
        kinds=("value", "publish"),
        known=False,
    ),
    Scope(name="lists that lag", budget=Budget(acts=3, lags=1)),
    Scope(
        name="lists that lag, and a publish",
        budget=Budget(acts=2, lags=1),
        kinds=("value", "publish"),
    ),
    Scope(
        name="lists that lag and a publish, no echo",
        budget=Budget(acts=3, lags=1),
        kinds=("value", "publish"),
        echo=False,
        audit=True,
    ),
    Scope(
        name="a lost answer, and tags set by hand",
        budget=Budget(acts=2, losses=1),
        kinds=("value", "hand"),
    ),
)

SLOW: Final = (
    Scope(
        name="everything that can fail",
        budget=Budget(acts=3, crashes=1, losses=1, stalls=1),
        kinds=("value", "hand"),
    ),
    Scope(
        name="all that people do, and a lost answer",
        budget=Budget(acts=3, crashes=1, losses=1),
        kinds=("value", "hand", "publish", "midnight", "delete"),
    ),
    Scope(name="lists that lag twice", budget=Budget(acts=4, lags=2)),
)

# Small scopes. All of their script calls are run on a real Valkey.
REFINED: Final = (
    Scope(name="failures", budget=Budget(acts=2, crashes=1, losses=1, stalls=1)),
    Scope(name="people", budget=Budget(acts=2), kinds=("value", "hand", "publish")),
    Scope(name="time", budget=Budget(acts=2, wrong_404=1), kinds=("value", "midnight", "delete")),
    Scope(name="lag", budget=Budget(acts=2, lags=1)),
    Scope(name="a missing field", budget=Budget(acts=2), kinds=("value", "lack", "publish")),
)


@dataclass(frozen=True, slots=True)
class Control:
    """A rule, a scope that needs it, and the fault if the rule is dropped."""

    rule: str
    scope: str
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
    Control("updated_at_outlives_marks", "lists that lag, and a publish", LEFT),
)

# Other rules catch what these let through. They save calls and time, so no exploration finds a fault without one.
SECOND_WALLS: Final = (
    "permit_checks_mark",
    "lagging_records_wait",
    "late_writer_marks_again",
    "open_intents_are_looked_at_again",
)


def without(control: Control) -> Scope:
    """The control's scope with every rule but that one."""
    scope = next(each for each in (*HOLDS, *SLOW) if each.name == control.scope)
    return replace(scope, name=f"without: {control.rule}", rules=Rules(**{control.rule: False}))
