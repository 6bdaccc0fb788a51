"""What a publish costs and whether somebody must approve it first."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from service.domain.preview import Preview

MOST_SHARE: Final = 0.05  # of the customers
MOST_REMOVED: Final = 2_000  # tags
BATCH: Final = 50  # customers that one call fetches
LEAK_PER_S: Final = 4.0


class Effort(msgspec.Struct, frozen=True):
    """API calls, and how long they take when nothing else is to be done."""

    calls: int
    seconds: int


class Guard(msgspec.Struct, frozen=True):
    """Whether a publish needs approval; `why` names the limits it goes beyond."""

    needs_approval: bool
    why: tuple[Literal["share", "removals"], ...] = ()
    most_customers: int = 0
    most_removed: int = MOST_REMOVED


def effort(shown: Preview, *, one_call: bool = False, per_s: float = LEAK_PER_S) -> Effort:
    """Fetching in batches, one call to add and one to remove; `one_call`: a dialect that writes both at once."""
    writes = shown.touched if one_call else shown.adding + shown.removing
    calls = -(-shown.touched // BATCH) + writes
    return Effort(calls, round(calls / per_s))


def guard(shown: Preview, *, most_share: float = MOST_SHARE, most_removed: int = MOST_REMOVED) -> Guard:
    """More than a share of the customers touched, or more tags removed than that, needs approval."""
    most = int(shown.customers * most_share)
    why: list[Literal["share", "removals"]] = []
    if shown.touched > most:
        why.append("share")
    if shown.removed > most_removed:
        why.append("removals")
    return Guard(bool(why), tuple(why), most, most_removed)
