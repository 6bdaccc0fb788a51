"""Common steps: a script is run, a record changes, a customer is marked."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model import store as scripts
from tests.model.scope import Scope
from tests.model.shop import LACKING, Body, Shop
from tests.model.state import World
from tests.model.store import Call, Digest, Mark, Outcome

Step = tuple[str, World]


def scripted(scope: Scope, world: World, call: Call) -> tuple[World, Outcome]:
    """Run one script on the store."""
    if scope.calls is not None:
        scope.calls.add((world.store, call))
    store, outcome = scripts.run(world.store, call)
    return world._replace(store=store), outcome


def marking(scope: Scope, digest: Digest | None = None, told: int = 0) -> Mark:
    """A call of the mark script under the scope's rules."""
    rules = scope.rules
    return Mark(
        digest,
        told,
        keeps_told=rules.updated_at_outlives_marks,
    )


def marked(scope: Scope, world: World) -> World:
    """Mark the customer, so that a drain that dequeued the older mark is superseded."""
    after, _ = scripted(scope, world, marking(scope))
    return after._replace(drain=after.drain._replace(is_current=False))


def changed(scope: Scope, world: World, shop: Shop, label: str, *, told: bool = True) -> Iterator[Step]:
    """The record changes and a webhook is sent. Lists show the change at once, or later."""
    counts = scope.budget.lags > 0
    if counts:
        shop = shop._replace(at=shop.at + 1)
    bodies = world.bodies
    if told:
        digest = None if shop.value == LACKING else shop.record.digest
        bodies = tuple(sorted((*bodies, Body(digest, shop.at)), key=_order))
    after = world._replace(shop=shop, bodies=bodies)
    yield label, after
    if world.budget.lags:
        seen = world.shop.lagging or world.shop.record
        slow = after._replace(
            shop=shop._replace(lagging=seen),
            budget=after.budget._replace(lags=after.budget.lags - 1),
        )
        yield f"{label}, which lists do not show", slow


def _order(body: Body) -> tuple[int, int, int]:
    value, tagged = body.digest or (-1, False)
    return value, tagged, body.at
