"""A scope: how much may happen to the customer, and which rules the service keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tests.model.store import Call, Store

Act = Literal["value", "lack", "hand", "publish", "midnight", "delete"]


class Budget(NamedTuple):
    """How often each event may still happen. The exploration tries every moment for each."""

    acts: int  # of the scope's kinds, in any order
    crashes: int = 0  # of the draining process
    losses: int = 0  # responses: the write never arrived, arrived, or arrives later
    stalls: int = 0  # the lease holder stalls between permit and socket, and the lease passes on
    repeats: int = 0  # of deliveries
    lags: int = 0  # changes that lists do not show at once
    wrong_404: int = 0  # the API says "not found" of a customer who is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules that the service keeps. A control drops one of them."""

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

    plans_are_of_the_live_version: bool = True  # a drain executes no plan of an earlier version
    plans_are_begun_once: bool = True  # if a dead drain began an addition, the customer is read again
    answers_leave_earlier_intents: bool = True  # a response settles its own call, not an earlier one
    intents_stand_side_by_side: bool = True  # the intent of a removal does not overwrite that of an addition
    young_intents_stay: bool = True  # whatever the record shows, because a call may still arrive
    young_ownership_outlives_absence: bool = (
        True  # because a record without our tag may be stale for ten minutes
    )
    updated_at_outlives_marks: bool = True  # the newest `updated_at` of any body is kept, also of an echo


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The bounds of one exploration."""

    name: str
    budget: Budget
    kinds: tuple[Act, ...] = ("value",)
    echo: bool = True  # our own writes come back as webhooks
    scan: bool = False
    audit: bool = False  # the daily audit may repair what no webhook announced
    known: bool = True  # there is a snapshot at first
    rules: Rules = Rules()
    calls: set[tuple[Store, Call]] | None = field(default=None, compare=False)  # collects every script call
