"""Steps that are not ours: people and the calendar act, webhooks arrive, lists catch up, minutes pass."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.scope import Scope
from tests.model.shop import ABSENT, BY_HAND, EITHER, LACKING, Body, Shop
from tests.model.state import World
from tests.model.store import BOTH_OLD, BOTH_YOUNG, OLD, TAKEN_OLD, TAKEN_YOUNG, YOUNG
from tests.model.tools import Step, changed, marked, marking, scripted

_OLDER = {YOUNG: OLD, TAKEN_YOUNG: TAKEN_OLD, BOTH_YOUNG: BOTH_OLD}
_ADDITIONS = (YOUNG, OLD, BOTH_YOUNG, BOTH_OLD)


def acts(scope: Scope, world: World) -> Iterator[Step]:
    """The actions of people that may come now. None of them has to."""
    budget = world.budget
    if not budget.acts or world.shop.gone:
        return
    after = world._replace(budget=budget._replace(acts=budget.acts - 1))
    shop = world.shop
    for kind in scope.kinds:
        if kind == "lack" and shop.value == LACKING:
            for value in (0, 1):
                yield from changed(
                    scope, after, shop._replace(value=value), f"the value is there again: {value}"
                )
        elif kind == "lack":
            yield from changed(scope, after, shop._replace(value=LACKING), "the value is missing")
        elif kind == "value" and shop.value != LACKING:
            yield from changed(
                scope, after, shop._replace(value=1 - shop.value), f"the value becomes {1 - shop.value}"
            )
        elif kind == "hand" and shop.tag == ABSENT:
            yield from changed(scope, after, shop._replace(tag=_whose(world)), "a person sets the tag")
        elif kind == "hand":
            yield from changed(scope, after, shop._replace(tag=ABSENT), "a person takes the tag off")
        elif kind == "delete":
            gone = Shop(gone=True, day=shop.day)
            yield "the customer is deleted", _told(after._replace(shop=gone), Body(None, shop.at + 1))
        elif kind == "midnight" and shop.day == 0:
            yield "midnight", after._replace(shop=shop._replace(day=1))
        elif kind == "publish" and not world.publishing:
            live = world.store._replace(version=world.store.version + 1)
            yield "another version goes live", after._replace(store=live, publishing=True)


def _whose(world: World) -> int:
    """While a write or a record of ours claims the tag, it cannot be told from one that a person set."""
    store = world.store
    ours = store.owned or store.intent in _ADDITIONS or world.late or world.landing is not None
    return EITHER if ours else BY_HAND


def _told(world: World, body: Body) -> World:
    return world._replace(bodies=(body, *world.bodies))


def deliveries(scope: Scope, world: World) -> Iterator[Step]:
    """Webhooks arrive in any order. Some are repeated."""
    for body in set(world.bodies):
        rest = list(world.bodies)
        rest.remove(body)
        arrived, outcome = scripted(scope, world, marking(scope, body.digest, body.at))
        if outcome == "marked":
            arrived = arrived._replace(drain=arrived.drain._replace(is_current=False))
        yield f"delivered: {body} {outcome}", arrived._replace(bodies=tuple(rest))
        if world.budget.repeats:
            again = world.budget._replace(repeats=world.budget.repeats - 1)
            yield f"delivered: {body} {outcome}, and it will come again", arrived._replace(budget=again)


def clocks(scope: Scope, world: World) -> Iterator[Step]:
    """Lists catch up, the sweep marks by the schedule, and ten minutes pass."""
    if world.shop.lagging is not None:
        yield "lists catch up", world._replace(shop=world.shop._replace(lagging=None))
    store = world.store
    if store.flips and world.shop.day >= 1 and store.place == "none":
        yield "the sweep marks by the calendar", marked(scope, world)
    if _is_calm(world):
        older = store._replace(
            owned=OLD if store.owned == YOUNG else store.owned,
            intent=_OLDER.get(store.intent, store.intent),
            gone=OLD if store.gone == YOUNG else store.gone,
            place="soon" if store.place == "long" else store.place,
            plan=store.plan and store.plan._replace(stale=True),
        )
        if older != store:
            yield "ten minutes pass", world._replace(store=older)


def _is_calm(world: World) -> bool:
    """Whether ten minutes may pass: by then calls have ended, lists have caught up, and a stalled holder has gone on."""
    return (
        world.drain.at == "idle"
        and world.late is None
        and world.landing is None
        and world.shop.lagging is None
    )
