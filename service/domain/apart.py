"""Customers for whom one step alone cannot tell what happens: they get the whole decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from service.domain.decision import decide
from service.domain.evaluation import Compiled, CompiledTier
from service.domain.outlook import Outlook, Scene
from service.domain.standing import Standing
from service.domain.tags import fold
from service.domain.tier_outlook import note_move
from service.domain.tier_steps import reached, settle_tier


def stands_apart(compiled: Compiled) -> Callable[[Standing], bool]:
    """Whether a customer's steps depend on one another: excluded, tags of rules that went or that are to be put
    back, holds of other tags."""
    sets, live = compiled.sets, compiled.live
    none: Final[frozenset[str]] = frozenset()

    def test(standing: Standing) -> bool:
        if standing.excluded or standing.restores:
            return True
        if standing.owned and not standing.owned.keys() <= sets:
            return True
        return any(hold.tag not in live.get(one, none) for one, hold in standing.held.items())

    return test


def look_at_apart(scene: Scene, *, today: int) -> tuple[Outlook, dict[str, Outlook]]:
    """What happens to their tags, and by tier id how they move."""
    outlook, tiers = Outlook(), {tier.id: Outlook() for tier in scene.compiled.tiers}
    for place in sorted(scene.apart):
        _decide(scene, outlook, place, today)
        for tier in scene.compiled.tiers:
            _move(scene, tiers[tier.id], tier, place)
    return outlook, tiers


def _decide(scene: Scene, outlook: Outlook, place: int, today: int) -> None:
    customer = scene.customers[place]
    decision = decide(
        compiled=scene.compiled,
        customer=customer,
        standing=scene.standings[place],
        today=today,
        now_ms=scene.now_ms,
        version=scene.version,
    )
    for reason in decision.reasons:
        key = fold(reason.tag)
        what = "added" if reason.added else "removed"
        outlook.note(key, "stopped" if key in scene.stopped.get(place, ()) else what, place)
    stays = {(fold(held.tag), held.why) for held in decision.held_back}
    for key, why in sorted(stays):
        outlook.note(key, why, place)
    settled = {fold(reason.tag) for reason in decision.reasons} | {key for key, _ in stays}
    for key in {fold(tag) for tag in decision.wanted} - settled:
        outlook.unchanged[key] = outlook.unchanged.get(key, 0) + 1


def _move(scene: Scene, outlook: Outlook, tier: CompiledTier, place: int) -> None:
    if tier.id in scene.standings[place].excluded:
        return
    tags = scene.facts[place].tags
    turn = scene.turn(place)  # it may see tags that are to be put back
    earned = reached(turn, tier)
    settle_tier(turn, tier)
    turn.facts.tags = tags
    stopped = scene.stopped.get(place, frozenset())
    if not stopped.isdisjoint({*turn.added, *turn.removed}):
        after = (tags | turn.added.keys() - stopped) - (turn.removed - stopped)
        earned = min((tier.keys[key] for key in after & tier.keys.keys()), default=len(tier.levels))
    note_move(outlook, tier, turn, tags=tags, earned=earned, place=place)
