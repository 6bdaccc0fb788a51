"""What the store keeps of one customer, and the scripts as functions on it; held against the real ones in
test_scripts.py.

Numbers of marks are told apart only as "the current one" and "an older one": a number is never used again, so
all older ones are alike.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Place = Literal["none", "ready", "planned", "soon", "long"]
Op = Literal["complete", "plan", "delay", "requeue", "delete"]
Outcome = Literal[
    "done",
    "lease_lost",
    "version_changed",
    "superseded",
    "schedule_passed",
    "plan_expired",
    "granted",
    "echo",
    "marked",
]
Digest = tuple[int, bool]  # the value and whether the tag is there

YOUNG, OLD = 1, 2  # younger, older than ten minutes; 0 is none
TAKEN_YOUNG, TAKEN_OLD = 3, 4  # of an intent: a removal
BOTH_YOUNG, BOTH_OLD = 5, 6  # of an intent: an addition and a removal


class Plan(NamedTuple):
    """What is to be written, and what is to be kept once it is."""

    add: bool
    version: int
    value: int
    flips: bool  # the calendar names a day after that of the decision
    day: int
    intent: int  # what stays open of earlier additions
    again: bool
    stale: bool = False
    begun: bool = False  # an intent in the store is this plan's own


class Store(NamedTuple):
    """One customer's state in Redis."""

    place: Place = "none"  # `soon` and `long` are both `delayed`: due at once, or in ten minutes
    plan: Plan | None = None
    told: int = 0  # the newest `updated_at` of the bodies that marked it
    gone: int = 0  # since when a 404 is known
    lag: int = 0
    read: tuple[Digest, ...] = ()
    owned: int = 0
    intent: int = 0
    snap: int = -1  # the value seen last
    flips: bool = False
    version: int = 0


class Mark(NamedTuple):
    """The mark script, for one event; without a digest it always marks."""

    digest: Digest | None = None
    told: int = 0
    rests: bool = False  # the customer was taken less than two seconds ago
    keeps_told: bool = False  # also of an echo, and longer than a mark


class Take(NamedTuple):
    """The take script."""

    held: bool = True
    forgets: bool = True


class Settle(NamedTuple):
    """The settle script for one customer; None leaves a thing as it is."""

    op: Op
    stands: bool  # the mark is still the one that was read
    version: int
    held: bool = True
    read: tuple[Digest, ...] | None = None
    owned: int | None = None
    intent: int | None = None
    snap: int | None = None
    flips: bool | None = None
    due: bool = False  # that day has come already
    plan: Plan | None = None
    again: bool = False
    long: bool = False
    gone: int | None = None
    lag: int | None = None
    keeps_told: bool = False
    rests: bool = False
    answered: bool = False  # a write was answered: what it made ours is kept even if the mark moved


class Permit(NamedTuple):
    """The permit script for a write."""

    stands: bool
    version: int
    held: bool = True
    stale: bool = False
    intent: int | None = None
    read: tuple[Digest, ...] | None = None
    rests: bool = False
    blind: bool = False  # does not look at the mark: only a walk that drops that rule asks so


Call = Mark | Take | Settle | Permit


def run(store: Store, call: Call) -> tuple[Store, Outcome]:
    """The state after a script, and its answer."""
    if isinstance(call, Mark):
        return mark(store, call)
    if isinstance(call, Take):
        return take(store, call)
    if isinstance(call, Settle):
        return settle(store, call)
    return permit(store, call)


def mark(store: Store, call: Mark) -> tuple[Store, Outcome]:
    if call.digest is not None and call.digest in store.read:
        return (store._replace(told=max(store.told, call.told)) if call.keeps_told else store), "echo"
    if store.place == "none":
        return store._replace(place="ready", told=max(store.told, call.told)), "marked"
    return _ready(store, rests=call.rests)._replace(told=max(store.told, call.told)), "marked"


def take(store: Store, call: Take) -> tuple[Store, Outcome]:
    """Due retries become ready; whoever is ready is taken, and what was read of it is forgotten."""
    if not call.held:
        return store, "lease_lost"
    if store.place not in ("ready", "soon"):
        return store, "done"
    return store._replace(place="ready", read=() if call.forgets else store.read), "done"


def settle(store: Store, call: Settle) -> tuple[Store, Outcome]:
    if not call.held:
        return store, "lease_lost"
    settled, outcome = _settled(store, call)
    if call.answered and outcome != "done":
        facts = settled._replace(
            owned=store.owned if call.owned is None else call.owned,
            intent=store.intent if call.intent is None else call.intent,
            snap=store.snap if call.snap is None else call.snap,
        )
        return facts, outcome
    return settled, outcome


def _settled(store: Store, call: Settle) -> tuple[Store, Outcome]:
    if call.version != store.version:
        return store, "version_changed"
    if store.place == "none" or not call.stands:
        return store, "superseded"
    return _OPS[call.op](store, call)


def permit(store: Store, call: Permit) -> tuple[Store, Outcome]:
    """A refused customer that has a plan is made ready."""
    if not call.held:
        return store, "lease_lost"
    why = _falls(store, call)
    if why:
        return (_ready(store, rests=call.rests) if store.place == "planned" else store), why
    return store._replace(
        plan=store.plan and store.plan._replace(begun=True),
        intent=store.intent if call.intent is None else call.intent,
        read=store.read if call.read is None else call.read,
    ), "granted"


def _falls(store: Store, call: Permit) -> Outcome | None:
    if (store.place != "planned" and not call.blind) or not call.stands:
        return "superseded"
    if call.version != store.version:
        return "version_changed"
    return "plan_expired" if call.stale else None


def _ready(store: Store, *, rests: bool) -> Store:
    return store._replace(place="soon" if rests else "ready", plan=None)


def _kept(store: Store, call: Settle) -> Store:
    """What the drain wants to be remembered."""
    return store._replace(
        read=store.read if call.read is None else call.read,
        owned=store.owned if call.owned is None else call.owned,
        intent=store.intent if call.intent is None else call.intent,
        snap=store.snap if call.snap is None else call.snap,
    )


def _unmarked(store: Store, call: Settle) -> Store:
    told = store.told if call.keeps_told else 0
    return store._replace(place="none", plan=None, told=told, gone=0, lag=0)


def _clear(store: Store, call: Settle) -> tuple[Store, Outcome]:
    if call.flips and call.due:
        return store, "schedule_passed"
    cleared = _unmarked(_kept(store, call), call)._replace(flips=bool(call.flips))
    return (cleared._replace(place="long") if call.again else cleared), "done"


def _plan(store: Store, call: Settle) -> tuple[Store, Outcome]:
    return _remembered(_kept(store, call), call)._replace(place="planned", plan=call.plan), "done"


def _later(store: Store, call: Settle) -> tuple[Store, Outcome]:
    place: Place = "long" if call.long else "soon"
    return _remembered(store, call)._replace(place=place, plan=None, read=()), "done"


def _remembered(store: Store, call: Settle) -> Store:
    """What the mark remembers of earlier looks."""
    gone = store.gone if call.gone is None else call.gone
    lag = store.lag if call.lag is None else call.lag
    return store._replace(gone=gone, lag=lag)


def _again(store: Store, call: Settle) -> tuple[Store, Outcome]:
    return _ready(store, rests=call.rests)._replace(read=()), "done"


def _purge(store: Store, call: Settle) -> tuple[Store, Outcome]:
    return _unmarked(store, call)._replace(told=0, read=(), snap=-1, owned=0, intent=0, flips=False), "done"


_OPS = {"complete": _clear, "plan": _plan, "delay": _later, "requeue": _again, "delete": _purge}
