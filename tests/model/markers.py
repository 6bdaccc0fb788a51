"""Other steps that mark: a publish, a scan, and the daily audit."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.decide import decide
from tests.model.scope import Scope
from tests.model.shop import Seen, wanted
from tests.model.state import World
from tests.model.tools import Step, marked


def publish(scope: Scope, world: World) -> Iterator[Step]:
    """A publish marks the customer if the two versions decide differently on the snapshot."""
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


def scan(scope: Scope, world: World) -> Iterator[Step]:
    """One scan, at any time: it reads the customer, and later marks it if its tags are not right."""
    if world.scan == "before" and not world.shop.gone:
        yield f"the scan reads {world.shop.listed}", world._replace(scan=world.shop.listed)
    elif isinstance(world.scan, Seen):
        ended = world._replace(scan="after")
        if _differs(scope, world, world.scan):
            yield "the scan marks", marked(scope, ended)
        else:
            yield "the scan sees nothing to do", ended


def audit(scope: Scope, world: World) -> Iterator[Step]:
    """The daily audit: it reads every customer, and marks those that are missing although something is stored of them."""
    store = world.store
    if world.shop.gone:
        if store.snap >= 0 or store.owned or store.intent:
            yield "the daily audit misses the customer and marks", marked(scope, world)
    elif _differs(scope, world, world.shop.record):
        yield "the daily audit marks", marked(scope, world)


def _differs(scope: Scope, world: World, seen: Seen) -> bool:
    return decide(scope.rules, seen, world.store, version=world.store.version, day=world.shop.day).change
