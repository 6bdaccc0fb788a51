"""What the store keeps of one customer, and the scripts as functions on it. test_scripts.py compares them with the real
ones.

The model only distinguishes the current generation of a mark from older ones. A generation is never used twice, so all
older ones are alike.
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
TAKEN_YOUNG, TAKEN_OLD = 3, 4  # of the intent of a removal
BOTH_YOUNG, BOTH_OLD = 5, 6  # of the intents of an addition and a removal


class Plan(NamedTuple):
    """What the drain writes, and what it stores after the write."""

    add: bool
    version: int
    value: int
    flips: bool  # the schedule has a day after that of the decision
    day: int
    intent: int  # what is still open of earlier additions
    again: bool
    stale: bool = False
    begun: bool = False  # the stored intent is the one of this plan


class Store(NamedTuple):
    """One customer's state in Redis."""

    place: Place = "none"  # `soon` and `long` are both `delayed`: due at once, or in ten minutes
    plan: Plan | None = None
    told: int = 0  # the newest `updated_at` of the webhooks
    gone: int = 0  # since the first 404
    lag: int = 0
    read: tuple[Digest, ...] = ()
    owned: int = 0
    intent: int = 0
    snap: int = -1  # the value of the snapshot
    flips: bool = False
    version: int = 0


class Mark(NamedTuple):
    """mark_dirty.lua for one event. Without a digest it always marks."""

    digest: Digest | None = None
    told: int = 0
    in_cooldown: bool = False  # the customer was dequeued less than two seconds ago
    keeps_told: bool = False  # keep `told` of an echo, and after the mark is removed


class Dequeue(NamedTuple):
    """dequeue.lua."""

    held: bool = True
    forgets: bool = True


class Settle(NamedTuple):
    """settle.lua for one customer. None leaves a field as it is."""

    op: Op
    is_current: bool  # the generation of the mark is the current one
    version: int
    held: bool = True
    read: tuple[Digest, ...] | None = None
    owned: int | None = None
    intent: int | None = None
    snap: int | None = None
    flips: bool | None = None
    due: bool = False  # the scheduled day has come already
    plan: Plan | None = None
    again: bool = False
    long: bool = False
    gone: int | None = None
    lag: int | None = None
    keeps_told: bool = False
    in_cooldown: bool = False
    answered: bool = False  # a write was answered: its results are stored even if the mark has changed


class Permit(NamedTuple):
    """permit.lua for a write."""

    is_current: bool
    version: int
    held: bool = True
    stale: bool = False
    intent: int | None = None
    read: tuple[Digest, ...] | None = None
    in_cooldown: bool = False
    blind: bool = False  # ignores the mark; only a control does that


Call = Mark | Dequeue | Settle | Permit


def run(store: Store, call: Call) -> tuple[Store, Outcome]:
    """The state after a script, and its reply."""
    if isinstance(call, Mark):
        return mark(store, call)
    if isinstance(call, Dequeue):
        return dequeue(store, call)
    if isinstance(call, Settle):
        return settle(store, call)
    return permit(store, call)


def mark(store: Store, call: Mark) -> tuple[Store, Outcome]:
    if call.digest is not None and call.digest in store.read:
        return (store._replace(told=max(store.told, call.told)) if call.keeps_told else store), "echo"
    if store.place == "none":
        return store._replace(place="ready", told=max(store.told, call.told)), "marked"
    return _ready(store, in_cooldown=call.in_cooldown)._replace(told=max(store.told, call.told)), "marked"


def dequeue(store: Store, call: Dequeue) -> tuple[Store, Outcome]:
    """A due retry becomes ready. A ready customer is dequeued and its echo digests are deleted."""
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
    if store.place == "none" or not call.is_current:
        return store, "superseded"
    return _OPS[call.op](store, call)


def permit(store: Store, call: Permit) -> tuple[Store, Outcome]:
    """A customer with a plan becomes ready if the permit is refused."""
    if not call.held:
        return store, "lease_lost"
    why = _refusal(store, call)
    if why:
        return (_ready(store, in_cooldown=call.in_cooldown) if store.place == "planned" else store), why
    return store._replace(
        plan=store.plan and store.plan._replace(begun=True),
        intent=store.intent if call.intent is None else call.intent,
        read=store.read if call.read is None else call.read,
    ), "granted"


def _refusal(store: Store, call: Permit) -> Outcome | None:
    if (store.place != "planned" and not call.blind) or not call.is_current:
        return "superseded"
    if call.version != store.version:
        return "version_changed"
    return "plan_expired" if call.stale else None


def _ready(store: Store, *, in_cooldown: bool) -> Store:
    return store._replace(place="soon" if in_cooldown else "ready", plan=None)


def _kept(store: Store, call: Settle) -> Store:
    """The fields that the drain stores."""
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
    """The mark's fields about earlier reads."""
    gone = store.gone if call.gone is None else call.gone
    lag = store.lag if call.lag is None else call.lag
    return store._replace(gone=gone, lag=lag)


def _again(store: Store, call: Settle) -> tuple[Store, Outcome]:
    return _ready(store, in_cooldown=call.in_cooldown)._replace(read=()), "done"


def _purge(store: Store, call: Settle) -> tuple[Store, Outcome]:
    return _unmarked(store, call)._replace(told=0, read=(), snap=-1, owned=0, intent=0, flips=False), "done"


_OPS = {"complete": _clear, "plan": _plan, "delay": _later, "requeue": _again, "delete": _purge}
