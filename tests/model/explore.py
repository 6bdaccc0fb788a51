"""The exploration: breadth first through every state, so the first fault has the shortest history."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from tests.model import drain, markers, people, verdict, writing
from tests.model.scope import Scope
from tests.model.shop import Shop
from tests.model.state import IDLE, World
from tests.model.store import Store
from tests.model.tools import Step


@dataclass(frozen=True, slots=True)
class Exploration:
    """The result of an exploration: the number of states, and the first lasting fault with its history."""

    states: int
    wrong: str = ""
    history: tuple[str, ...] = ()


def explore(scope: Scope) -> Exploration:
    """Visit every state of a scope. Stop at the first lasting fault, or where nothing can happen any more."""
    first = begin(scope)
    came: dict[World, World | None] = {first: None}
    waiting = deque([first])
    visited = 0
    while waiting:
        world = waiting.popleft()
        visited += 1
        ahead = list(successors(scope, world))
        fault = _fault(scope, world, ahead)
        if fault:
            return Exploration(visited, fault, _history(scope, came, world))
        for _, after in ahead:
            if after not in came:
                came[after] = world
                waiting.append(after)
    return Exploration(visited)


def begin(scope: Scope) -> World:
    """The first state: the customer has no tag, and nothing is in progress."""
    return World(
        shop=Shop(),
        store=Store(snap=0) if scope.known else Store(place="ready"),
        bodies=(),
        drain=IDLE,
        late=None,
        landing=None,
        scan="before" if scope.scan else "after",
        publishing=False,
        budget=scope.budget,
    )


def successors(scope: Scope, world: World) -> Iterator[Step]:
    """Every step that may come next."""
    yield from people.acts(scope, world)
    yield from people.deliveries(scope, world)
    yield from people.clocks(scope, world)
    yield from drain.steps(scope, world)
    yield from writing.afterwards(scope, world)
    yield from markers.publish(scope, world)
    yield from markers.scan(scope, world)
    if scope.audit and verdict.is_quiet(world):
        yield from markers.audit(scope, world)


def _fault(scope: Scope, world: World, ahead: list[Step]) -> str:
    if world.harm:
        return world.harm
    if verdict.is_quiet(world):
        heals = scope.audit and any(label.startswith("the daily audit") for label, _ in ahead)
        return "" if heals else verdict.wrong(world)
    return "" if ahead else "stuck"


def _history(scope: Scope, came: dict[World, World | None], world: World) -> tuple[str, ...]:
    labels = []
    before = came[world]
    while before is not None:
        labels.append(next(label for label, after in successors(scope, before) if after == world))
        world, before = before, came[before]
    return tuple(reversed(labels))
