"""Who else marks: a publish, a page walk, and the daily scrub."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.decide import decide
from tests.model.scope import Scope
from tests.model.shop import Seen, wanted
from tests.model.state import World
from tests.model.tools import Step, marked


def publish(scope: Scope, world: World) -> Iterator[Step]:
    """The difference between two versions over the snapshot; whose wanted tags change is marked."""
    if not world.publishing:
        return
    ended = world._replace(publishing=False)
    store, day = world.store, world.shop.day
    if store.snap < 0 or not scope.rules.publish_marks:
        yield "the publish passes by", ended
        return
    before = wanted(value=store.snap, version=store.version - 1, day=day)
    after = wanted(value=store.snap, version=store.version, day=day)
    if before == after:
        yield "the publish sees no difference", ended
    else:
        yield "the publish marks", marked(scope, ended)


def page_walk(scope: Scope, world: World) -> Iterator[Step]:
    """One page walk, at any time: it reads, and later marks what differs."""
    if world.walk == "before" and not world.shop.gone:
        yield f"the page walk reads {world.shop.listed}", world._replace(walk=world.shop.listed)
    elif isinstance(world.walk, Seen):
        ended = world._replace(walk="after")
        if _differs(scope, world, world.walk):
            yield "the page walk marks", marked(scope, ended)
        else:
            yield "the page walk sees nothing to do", ended


def scrub(scope: Scope, world: World) -> Iterator[Step]:
    """The daily look: at every record, and at everybody of whom we keep something."""
    store = world.store
    if world.shop.gone:
        if store.snap >= 0 or store.owned or store.intent:
            yield "the daily scrub misses the customer and marks", marked(scope, world)
    elif _differs(scope, world, world.shop.record):
        yield "the daily scrub marks", marked(scope, world)


def _differs(scope: Scope, world: World, seen: Seen) -> bool:
    return decide(scope.rules, seen, world.store, version=world.store.version, day=world.shop.day).change
