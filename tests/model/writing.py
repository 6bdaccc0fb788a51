"""The write and its ends: answered, lost, arriving later, or sent by a stalled holder."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.decide import owned_after
from tests.model.scope import Scope
from tests.model.shop import ABSENT, BY_HAND, EITHER, OURS
from tests.model.state import IDLE, Drain, Late, World
from tests.model.store import YOUNG, Plan, Settle
from tests.model.tools import Step, changed, marked, scripted


def write(scope: Scope, world: World) -> Iterator[Step]:
    """The steps from a permit to the completion."""
    drain, plan = world.drain, world.drain.plan
    assert plan is not None
    if drain.at == "answered":
        call = _clear(scope, world, plan)
        cleared, outcome = scripted(scope, world, call)
        if outcome != "done":
            cleared = marked(scope, cleared)
        yield f"clear: {outcome}", cleared._replace(drain=Drain("turn", drain.version))
    elif world.shop.gone:
        yield _failed(scope, world, "the write answers 404", gone=True)
    else:
        for label, written in arriving(scope, world, add=plan.add):
            yield label, written._replace(drain=drain._replace(at="answered"))
        yield from _unanswered(scope, world, plan)
    if world.budget.stalls and world.late is None:
        fewer = world.budget._replace(stalls=world.budget.stalls - 1)
        late = Late(plan.add, written=drain.at == "answered")
        yield "the holder stalls", world._replace(drain=IDLE, late=late, budget=fewer)


def arriving(scope: Scope, world: World, *, add: bool) -> Iterator[Step]:
    """The write reaches the shop."""
    shop = world.shop
    if add:
        after = {ABSENT: OURS, BY_HAND: EITHER}.get(shop.tag, shop.tag)
        label = "our addition arrives"
    else:
        after, label = ABSENT, "our removal arrives"
        if shop.tag == BY_HAND:
            world = world._replace(harm="a tag that a person set was removed")
    if (after == ABSENT) == (shop.tag == ABSENT):
        yield f"{label}, and changes nothing", world._replace(shop=shop._replace(tag=after))
    else:
        yield from changed(scope, world, shop._replace(tag=after), label, told=scope.echo)


def _unanswered(scope: Scope, world: World, plan: Plan) -> Iterator[Step]:
    if not world.budget.losses:
        return
    fewer = world._replace(budget=world.budget._replace(losses=world.budget.losses - 1))
    yield _failed(scope, fewer, "the write never arrives")
    for label, written in arriving(scope, fewer, add=plan.add):
        yield _failed(scope, written, f"{label}, its answer does not")
    if world.landing is None:
        yield _failed(scope, fewer._replace(landing=plan.add), "no answer; the write may still arrive")


def _failed(scope: Scope, world: World, label: str, *, gone: bool = False) -> Step:
    drain = world.drain
    call = Settle("delay", is_current=drain.is_current, version=drain.version, long=gone)
    if gone:
        call = call._replace(gone=world.store.gone or YOUNG)
    settled, outcome = scripted(scope, world, call)
    if outcome != "done":
        settled = marked(scope, settled)
    return f"{label}: {outcome}", settled._replace(drain=Drain("turn", drain.version))


def _clear(scope: Scope, world: World, plan: Plan) -> Settle:
    drain, rules = world.drain, scope.rules
    intent = plan.intent if rules.answers_leave_earlier_intents else 0
    open_still = intent != 0 and rules.open_intents_are_looked_at_again
    return Settle(
        "complete",
        is_current=drain.is_current or not rules.settle_checks_mark,
        version=drain.version if rules.settle_checks_version else world.store.version,
        owned=owned_after(plan.add),
        intent=intent,
        snap=plan.value,
        flips=plan.flips,
        due=world.shop.day > plan.day,
        again=plan.again or open_still,
        keeps_told=rules.updated_at_outlives_marks,
        answered=True,
    )


def afterwards(scope: Scope, world: World) -> Iterator[Step]:
    """A write in flight arrives. A stalled holder goes on and notices that the lease is lost."""
    if world.landing is not None:
        ended = world._replace(landing=None)
        if world.shop.gone:
            yield "a late write finds nobody", ended
        else:
            for label, written in arriving(scope, ended, add=world.landing):
                yield f"late: {label}", written
    if world.late is not None:
        yield from _late(scope, world, world.late)


def _late(scope: Scope, world: World, late: Late) -> Iterator[Step]:
    if late.written or world.shop.gone:
        yield "the stalled holder notices that the lease is lost", _noticed(scope, world)
    else:
        for label, written in arriving(scope, world, add=late.add):
            yield f"the stalled holder: {label}", written._replace(late=late._replace(written=True))
    if world.budget.crashes:
        fewer = world.budget._replace(crashes=world.budget.crashes - 1)
        yield "the stalled holder crashes", world._replace(late=None, budget=fewer)


def _noticed(scope: Scope, world: World) -> World:
    """The customer is marked. The intent of the addition stays."""
    ended = world._replace(late=None)
    if scope.rules.late_writer_marks_again:
        ended = marked(scope, ended)
    return ended
