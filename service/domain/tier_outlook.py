"""What a tier would do to everybody: who goes up, down, or waits to."""

from __future__ import annotations

from service.domain.evaluation import CompiledTier
from service.domain.outlook import Outlook, Scene, why_held
from service.domain.tags import fold
from service.domain.tier_steps import settle_tier
from service.domain.turns import Turn


def look_at_tier(scene: Scene, tier: CompiledTier) -> Outlook:
    """What a tier does."""
    outlook, keys, nowhere = Outlook(), frozenset(tier.keys), len(tier.levels)
    tests = tuple((at, level.matches, level.key) for at, level in enumerate(tier.levels))
    stays = [0] * (nowhere + 1)
    odd: list[tuple[int, int]] = []
    for place, facts in enumerate(scene.facts):
        earned, wanted = nowhere, None
        for at, matches, key in tests:
            if matches(facts):
                earned, wanted = at, key
                break
        there = facts.tags & keys
        if len(there) == (wanted is not None) and (wanted is None or wanted in there):
            stays[earned] += 1
            if place in scene.apart:
                stays[earned] -= 1
                odd.append((place, earned))
        else:
            odd.append((place, earned))
    outlook.stays = {at: count for at, count in enumerate(stays) if count}
    outlook.unchanged = {level.key: stays[at] for at, level in enumerate(tier.levels)}
    reached = list(stays)
    for place, earned in odd:
        reached[earned] += 1
        if place not in scene.apart:
            _odd_level(scene, tier, outlook, place, earned)
    outlook.matched = {level.tag: reached[at] for at, level in enumerate(tier.levels)}
    return outlook


def _odd_level(scene: Scene, tier: CompiledTier, outlook: Outlook, place: int, earned: int) -> None:
    facts = scene.facts[place]
    tags = facts.tags
    if tags.isdisjoint(tier.keys):
        outlook.note(tier.levels[earned].key, "added", place)
        outlook.moves.setdefault((len(tier.levels), earned, False), []).append(place)
        return
    turn = scene.turn(place)
    settle_tier(turn, tier)
    turn.facts.tags = tags
    _note_turn(outlook, turn, frozenset(tier.keys), place)
    note_move(outlook, tier, turn, tags=tags, earned=earned, place=place)
    for key in tier.keys:
        if key in tags and key not in turn.removed and why_held(turn, key) == "":
            outlook.unchanged[key] = outlook.unchanged.get(key, 0) + 1


def _note_turn(outlook: Outlook, turn: Turn, keys: frozenset[str], place: int) -> None:
    for key in turn.added:
        if key in keys:
            outlook.note(key, "added", place)
    for key in turn.removed:
        if key in keys:
            outlook.note(key, "removed", place)
    for held in turn.held_back:
        if fold(held.tag) in keys:
            outlook.note(fold(held.tag), held.why, place)


def note_move(
    outlook: Outlook, tier: CompiledTier, turn: Turn, *, tags: frozenset[str], earned: int, place: int
) -> None:
    """Note from which level to which a customer goes; `tags`: those of the record (folded)."""
    source = min((tier.keys[key] for key in tags & tier.keys.keys()), default=len(tier.levels))
    waits = any(held.why == "downgrade" and held.rule == tier.id for held in turn.held_back)
    if source == earned:
        outlook.stays[earned] = outlook.stays.get(earned, 0) + 1
    else:
        outlook.moves.setdefault((source, earned, waits), []).append(place)
