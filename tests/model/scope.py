"""What a walk covers: how much may happen to the customer, and which rules the service keeps meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tests.model.store import Call, Store

Act = Literal["value", "hand", "publish", "midnight", "delete"]


class Budget(NamedTuple):
    """How often each thing may still happen; the walk tries every moment for each."""

    acts: int  # of people and of the calendar, of the scope's kinds, in any order
    crashes: int = 0  # of the process that drains
    losses: int = 0  # writes without an answer: never arrived, arrived, or arriving later
    stalls: int = 0  # a holder stands still between permit and socket, and the lock passes on
    repeats: int = 0  # deliveries that come twice
    lags: int = 0  # changes that lists do not show at once
    wrong_404: int = 0  # the API says "not found" of a customer who is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules that the service keeps, each of which a walk can drop, and at the end those that it could keep."""

    take_forgets_read: bool = True
    settle_checks_mark: bool = True
    settle_checks_version: bool = True
    permit_checks_mark: bool = True
    permit_leaves_only_the_expected: bool = True
    late_writer_marks_again: bool = True
    absent_intents_are_kept: bool = True
    open_intents_are_looked_at_again: bool = True
    lagging_records_wait: bool = True
    gone_needs_two_looks: bool = True
    a_good_look_forgets_gone: bool = True
    publish_marks: bool = True

    plans_are_of_the_live_version: bool = True  # a turn carries out no plan of the version before
    plans_are_begun_once: bool = True  # a plan whose addition was begun by a dead turn is read again
    answers_leave_earlier_intents: bool = True  # an answer settles its own call, not one that is still out
    intents_stand_side_by_side: bool = True  # a removal's does not overwrite an addition's
    young_intents_stay: bool = True  # whatever the record shows: a second call may still be out
    young_ownership_outlives_absence: bool = True  # a record without our tag may lag for ten minutes
    told_outlives_marks: bool = True  # the newest `updated_at` of any body is remembered, echoes' too


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One walk."""

    name: str
    budget: Budget
    kinds: tuple[Act, ...] = ("value",)
    echo: bool = True  # our own writes come back as webhooks
    page_walk: bool = False
    scrub: bool = False  # the daily look at every record may heal what nobody told us
    known: bool = True  # there is a snapshot at first
    rules: Rules = Rules()
    calls: set[tuple[Store, Call]] | None = field(
        default=None, compare=False
    )  # every script call is noted here
