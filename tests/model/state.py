"""A moment of the whole world: the shop, the store, what is on its way, and who is in the middle of what."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tests.model.scope import Budget
from tests.model.shop import Body, Seen, Shop
from tests.model.store import Plan, Store

At = Literal["idle", "turn", "taken", "fetched", "chosen", "permitted", "answered"]


class Drain(NamedTuple):
    """The holder of the lock. `stands`: the mark that it took is still the current one."""

    at: At = "idle"
    version: int = 0
    stands: bool = False
    seen: Seen | None = None  # None at `fetched` is a 404
    plan: Plan | None = None
    day: int = 0  # of the decision


class Late(NamedTuple):
    """A holder that stood still at its write, and lost the lock."""

    add: bool
    written: bool = False


class World(NamedTuple):
    """One state of the walk."""

    shop: Shop
    store: Store
    bodies: tuple[Body, ...]
    drain: Drain
    late: Late | None
    landing: bool | None  # a write without an answer that may still arrive: an addition, or a removal
    walk: Seen | Literal["before", "after"]
    publishing: bool
    budget: Budget
    harm: str = ""  # what was done that may never be done


IDLE = Drain()
