"""Whether a state is final, and what is wrong with a final state."""

from __future__ import annotations

from tests.model.shop import ABSENT, BY_HAND, OURS, Seen, wanted
from tests.model.state import World


def is_quiet(world: World) -> bool:
    """Whether nothing happens any more unless people act."""
    return (
        not world.bodies
        and world.store.place == "none"
        and world.drain.at == "idle"
        and world.late is None
        and world.landing is None
        and world.shop.lagging is None
        and not world.publishing
        and not isinstance(world.scan, Seen)
        and not (world.store.flips and world.shop.day >= 1)
    )


def wrong(world: World) -> str:
    """The fault of a quiet world, or ""."""
    shop, store = world.shop, world.store
    if shop.gone:
        left = store.snap >= 0 or store.owned or store.intent
        return "something is kept of a customer who is gone" if left else ""
    want = wanted(value=shop.value, version=store.version, day=shop.day)
    if want is True and shop.tag == ABSENT:
        return "a wanted tag is not there"
    if want is False and shop.tag == OURS:
        return "a tag of ours is there that nobody wants"
    if shop.tag == OURS and not store.owned and not store.intent:
        return "a tag of ours is not known to be ours"
    if shop.tag == BY_HAND and store.owned:
        return "a tag that a person set is thought to be ours"
    return ""
