"""The drain, step by step: dequeue, fetch, settle, then permit, write, complete."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.decide import Decision, begun, decide
from tests.model.scope import Rules, Scope
from tests.model.shop import BY_HAND, EITHER, Seen, flips
from tests.model.state import IDLE, Drain, World
from tests.model.store import OLD, YOUNG, Dequeue, Permit, Plan, Settle
from tests.model.tools import Step, scripted
from tests.model.writing import write


def steps(scope: Scope, world: World) -> Iterator[Step]:
    """The next steps of the drain. It may crash at any step."""
    at = world.drain.at
    if at == "idle":
        if world.store.place not in ("none", "long"):
            yield "a turn begins", world._replace(drain=Drain("turn", world.store.version))
        return
    if world.budget.crashes:
        fewer = world.budget._replace(crashes=world.budget.crashes - 1)
        yield f"crash when {at}", world._replace(drain=IDLE, budget=fewer)
    if at == "turn":
        yield from _turn(scope, world)
    elif at == "dequeued":
        yield from _fetch(scope, world)
    elif at == "fetched":
        yield _settle(scope, world)
    elif at == "chosen":
        yield _permit(scope, world)
    else:
        yield from write(scope, world)


def _turn(scope: Scope, world: World) -> Iterator[Step]:
    store, drain, rules = world.store, world.drain, scope.rules
    yield "the turn ends", world._replace(drain=IDLE)
    if store.place in ("ready", "soon"):
        taken, _ = scripted(scope, world, Dequeue(forgets=rules.take_forgets_read))
        yield "dequeue", taken._replace(drain=Drain("dequeued", drain.version, is_current=True))
    elif store.place == "planned" and store.plan is not None:
        yield (
            "a plan is chosen",
            world._replace(drain=drain._replace(at="chosen", is_current=True, plan=store.plan)),
        )


def _permit(scope: Scope, world: World) -> Step:
    drain, rules, plan = world.drain, scope.rules, world.drain.plan
    assert plan is not None
    over = Drain("turn", drain.version)
    other = rules.plans_are_of_the_live_version and plan.version != drain.version
    twice = rules.plans_are_begun_once and plan.begun
    if other or twice:
        call = Settle("requeue", is_current=drain.is_current, version=drain.version)
        refused, _ = scripted(scope, world, call)
        why = "is of another version" if other else "was begun before"
        return f"the plan {why}: read again", refused._replace(drain=over)
    permit = Permit(
        is_current=drain.is_current or not rules.permit_checks_mark,
        version=drain.version,
        stale=plan.stale,
        blind=not rules.permit_checks_mark,
        intent=begun(rules, add=plan.add, intent=plan.intent),
        read=((plan.value, plan.add),) if rules.permit_leaves_only_the_expected else None,
    )
    permitted, outcome = scripted(scope, world, permit)
    if outcome != "granted":
        return f"permit refused: {outcome}", permitted._replace(drain=over)
    if (
        plan.add and world.shop.tag == BY_HAND
    ):  # a person and the service asked for it; its owner is unknown from now on
        permitted = permitted._replace(shop=world.shop._replace(tag=EITHER))
    return "permit", permitted._replace(drain=drain._replace(at="permitted"))


def _fetch(scope: Scope, world: World) -> Iterator[Step]:
    drain, shop = world.drain, world.shop
    if shop.gone:
        yield "fetch: 404", world._replace(drain=drain._replace(at="fetched"))
        return
    seen = shop.listed
    fetched = drain._replace(at="fetched", seen=seen, day=shop.day)
    yield f"fetch: {seen}", world._replace(drain=fetched)
    # A wrong 404 that lasts ten minutes looks like a deletion.
    if world.budget.wrong_404 and not (shop.missed and world.store.gone == OLD):
        fewer = world.budget._replace(wrong_404=world.budget.wrong_404 - 1)
        missed = world._replace(shop=shop._replace(missed=True), budget=fewer)
        yield "fetch: 404, wrongly", missed._replace(drain=drain._replace(at="fetched"))


def _settle(scope: Scope, world: World) -> Step:
    drain, rules, store = world.drain, scope.rules, world.store
    is_current = drain.is_current or not rules.settle_checks_mark
    version = drain.version if rules.settle_checks_version else store.version
    label, call = _settlement(scope, world, drain.seen)
    settled, outcome = scripted(scope, world, call._replace(is_current=is_current, version=version))
    if outcome == "done" and drain.seen is not None:
        settled = settled._replace(shop=world.shop._replace(missed=False))
    return f"settle: {label}: {outcome}", settled._replace(drain=Drain("turn", drain.version))


def _settlement(scope: Scope, world: World, seen: Seen | None) -> tuple[str, Settle]:
    drain, rules, store = world.drain, scope.rules, world.store
    blank = Settle("delay", is_current=False, version=0, keeps_told=rules.updated_at_outlives_marks)
    if seen is None:
        if store.gone == OLD or not rules.gone_needs_two_looks:
            return "delete", blank._replace(op="delete")
        return "gone, look again", blank._replace(long=True, gone=YOUNG)
    lags = seen.at < store.told
    if lags and not store.lag and rules.lagging_records_wait:
        return "lags, look again", blank._replace(lag=1, gone=_forgotten(rules))
    decision = decide(rules, seen, store, version=drain.version, day=drain.day)
    again = lags or decision.again
    kept = blank._replace(owned=decision.owned, intent=decision.intent)
    if not decision.change:
        return "complete", _clear(scope, world, kept, seen, again=again)
    return "plan", _plan(scope, world, kept, seen, decision)


def _clear(scope: Scope, world: World, kept: Settle, seen: Seen, *, again: bool) -> Settle:
    day, known = by_calendar(scope, seen.value, world)
    return kept._replace(
        op="complete", read=(seen.digest,), snap=seen.value, flips=day, due=known, again=again
    )


def by_calendar(scope: Scope, value: int, world: World) -> tuple[bool, bool]:
    """Whether the schedule has a day after the decision's, and whether that day has come."""
    if "midnight" not in scope.kinds:
        return False, False
    return flips(value=value, day=world.drain.day), world.shop.day > world.drain.day


def _plan(scope: Scope, world: World, kept: Settle, seen: Seen, decision: Decision) -> Settle:
    drain, rules = world.drain, scope.rules
    day, _ = by_calendar(scope, seen.value, world)
    after = () if rules.permit_leaves_only_the_expected else ((seen.value, decision.add),)
    lags = seen.at < world.store.told
    plan = Plan(decision.add, drain.version, seen.value, day, drain.day, decision.intent, again=lags)
    return kept._replace(op="plan", read=(seen.digest, *after), plan=plan, gone=_forgotten(rules), lag=0)


def _forgotten(rules: Rules) -> int | None:
    return 0 if rules.a_good_look_forgets_gone else None
