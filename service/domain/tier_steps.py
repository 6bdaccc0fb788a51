"""Settling one tier: up at once, down by its `downgrade`, and the other levels' tags off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from service.domain.evaluation import CompiledTier
from service.domain.reasons import Why
from service.domain.rules import FOREVER
from service.domain.standing import Hold, taken_over
from service.domain.turns import Claim, Turn

_WHY: Final[Mapping[Claim, Why]] = {"live": "outranked", "taken_back": "taken_back", "gone_remove": "gone"}


def settle_tier(turn: Turn, tier: CompiledTier) -> None:
    """Settle one tier; an excluded customer's is not touched."""
    if tier.id in turn.excluded:
        _leave_all(turn, tier)
        return
    earned = reached(turn, tier)
    target, below = _with_downgrade(turn, tier, earned)
    if target < len(tier.levels):
        _give(turn, tier, target)
    for key in [key for key in tier.keys if key in turn.facts.tags]:
        if tier.keys[key] != target:
            _take(turn, tier, key)
    _keep_hold(turn, tier, target, below)
    if target != earned:
        until = None if below is None else below + tier.downgrade_days
        turn.leave(key=tier.levels[target].key, rule=tier.id, why="downgrade", until=until)


def reached(turn: Turn, tier: CompiledTier) -> int:
    """The first level from the top that matches; the number of levels when none does."""
    for at, level in enumerate(tier.levels):
        if level.matches(turn.facts):
            return at
    return len(tier.levels)


def _with_downgrade(turn: Turn, tier: CompiledTier, earned: int) -> tuple[int, int | None]:
    """The level to have today, and since which day the customer has been seen lower."""
    standing = _standing_level(turn, tier) if tier.downgrade_days else None
    if standing is None or earned <= standing[0]:
        return earned, None
    level, below = standing
    if tier.downgrade_days == FOREVER:
        return level, None
    below = turn.today if below is None else below
    if turn.today >= below + tier.downgrade_days:
        return earned, None
    return level, below


def _standing_level(turn: Turn, tier: CompiledTier) -> tuple[int, int | None] | None:
    """The level that we hold the customer on: as kept, or as ownership tells when nothing was kept.

    A version that was undone never saw the customer lower.
    """
    hold = turn.held.get(tier.id)
    there = hold is not None and hold.tag in tier.keys and hold.tag in turn.facts.tags
    if hold is not None and there and not _taken_back(turn, tier, hold.tag):
        return tier.keys[hold.tag], None if hold.by in turn.compiled.undone else hold.below
    ours = [
        at
        for key, at in tier.keys.items()
        if (own := turn.owned.get(key)) is not None
        and own.rule == tier.id
        and not _taken_back(turn, tier, key)
    ]
    return (min(ours), None) if ours else None


def _taken_back(turn: Turn, tier: CompiledTier, key: str) -> bool:
    own = turn.owned.get(key)
    return own is not None and own.rule == tier.id and (own.rule, own.version) in turn.compiled.take_back


def _give(turn: Turn, tier: CompiledTier, target: int) -> None:
    level = tier.levels[target]
    turn.levels.append(level.tag)
    if level.key not in turn.facts.tags:
        turn.give(tag=level.tag, key=level.key, rule=tier.id, why="matched", inputs=level.inputs)
    elif turn.claim(level.key, frozenset({tier.id})) in {"gone_leave", "gone_remove", "taken_back"}:
        own = turn.owned[level.key]
        turn.owned[level.key] = taken_over(own, rule=tier.id, version=turn.version)


def _take(turn: Turn, tier: CompiledTier, key: str) -> None:
    """Another level's tag: off, if it is ours to touch."""
    own, claim = turn.owned.get(key), turn.claim(key, frozenset({tier.id}))
    if own is not None and claim in _WHY:
        turn.take(key=key, rule=own.rule, why=_WHY[claim], inputs=tier.inputs)
    elif tier.owns_all:
        turn.take(key=key, rule=tier.id, why="outranked", inputs=tier.inputs)
    elif claim == "excluded":
        turn.leave(key=key, rule=own.rule if own else tier.id, why="excluded")
    else:
        turn.leave(key=key, rule=own.rule if own else tier.id, why="left" if own else "not_ours")


def _keep_hold(turn: Turn, tier: CompiledTier, target: int, below: int | None) -> None:
    """Remember the level, so that a later version knows since when; `at_once` needs no memory."""
    old = turn.held.pop(tier.id, None)
    if not tier.downgrade_days or target == len(tier.levels):
        return
    key = tier.levels[target].key
    since = old.since if old is not None and old.tag == key else turn.today
    seen = old is not None and old.below == below and old.by not in turn.compiled.undone
    by = 0 if below is None else old.by if old is not None and seen else turn.version
    turn.held[tier.id] = Hold(key, since, below, by)


def _leave_all(turn: Turn, tier: CompiledTier) -> None:
    for key in tier.keys:
        if key in turn.facts.tags:
            turn.leave(key=key, rule=tier.id, why="excluded")
