"""A state of the whole world: the shop, the store, what is in flight, and how far each process is."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tests.model.scope import Budget
from tests.model.shop import Body, Seen, Shop
from tests.model.store import Plan, Store

At = Literal["idle", "turn", "dequeued", "fetched", "chosen", "permitted", "answered"]


class Drain(NamedTuple):
    """The drain that holds the lease. `is_current`: the mark that it dequeued has not changed."""

    at: At = "idle"
    version: int = 0
    is_current: bool = False
    seen: Seen | None = None  # None at `fetched` is a 404
    plan: Plan | None = None
    day: int = 0  # of the decision


class Late(NamedTuple):
    """A holder that stalled at its write and lost the lease."""

    add: bool
    written: bool = False


class World(NamedTuple):
    """One state of the exploration."""

    shop: Shop
    store: Store
    bodies: tuple[Body, ...]
    drain: Drain
    late: Late | None
    landing: (
        bool | None
    )  # a write without a response that may still arrive: True = an addition, False = a removal
    scan: Seen | Literal["before", "after"]
    publishing: bool
    budget: Budget
    harm: str = ""  # a forbidden act that was committed


IDLE = Drain()
