"""The decision on one tier: observe the levels of the customer, choose one, apply the policy to the tag of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

import msgspec

from service.domain.decisions.builder import MOVES_OWNERSHIP, OWNER_REMOVES, DecisionBuilder, OwnershipStatus
from service.domain.decisions.decide_tag import TagAction
from service.domain.decisions.state import Hold
from service.domain.engine import NO_INPUTS, CompiledTier
from service.domain.rules import FOREVER

# For the tag of a level that the customer should not have. Key: owner of the tag, and whether the tier has `owns: all`.
OTHER_LEVEL_POLICY: Final[Mapping[tuple[OwnershipStatus, bool], TagAction]] = {
    **dict.fromkeys(product(OwnershipStatus, (True,)), TagAction("remove", "outranked")),
    (OwnershipStatus.NONE, False): TagAction("retain", "not_ours"),
    (OwnershipStatus.ORPHAN_KEEP, False): TagAction("retain", "left"),
    (OwnershipStatus.PASSIVE, False): TagAction("retain", "excluded"),
    **dict.fromkeys(product((OwnershipStatus.CURRENT,), (True, False)), TagAction("remove", "outranked")),
    **dict.fromkeys(product((OwnershipStatus.REVOKED,), (True, False)), TagAction("remove", "taken_back")),
    **dict.fromkeys(product((OwnershipStatus.ORPHAN_REMOVE,), (True, False)), TagAction("remove", "gone")),
}


@dataclass(frozen=True, slots=True)
class TierSituation:
    """Everything that the choice of a level depends on.

    Levels are numbered from the top. The number of levels stands for no level.
    """

    earned: int  # the highest level whose conditions are true
    held: int | None  # the level on which the tier holds the customer
    below_since: int | None  # the day since which the customer has earned less than the held level
    hold: Hold | None  # the stored hold, without observations by versions that were rolled back


@dataclass(frozen=True, slots=True)
class TierTarget:
    """The level that the customer should have today."""

    level: int
    below_since: int | None = None  # the day since which a downgrade waits
    until: int | None = None  # the day on which the downgrade is due


def decide_tier(builder: DecisionBuilder, tier: CompiledTier) -> None:
    """Decide one tier: up at once, down as `downgrade` says. If the tier is passive, all tags stay."""
    if tier.id in builder.passive:
        _leave(builder, tier)
        return
    situation = observe_tier(builder, tier)
    target = choose_level(situation, downgrade_days=tier.downgrade_days, today=builder.today)
    if target.level < len(tier.levels):
        _apply_target(builder, tier, situation, target)
    for key, level in tier.level_by_tag.items():
        if level != target.level and key in builder.facts.tags:
            _apply_other(builder, tier, key)
    _update_hold(builder, tier, situation, target)


def _leave(builder: DecisionBuilder, tier: CompiledTier) -> None:
    """Leave the tags of a passive tier. A roll-back takes back those of an undecided one."""
    is_undecided = tier.id in builder.undecided
    for key in [key for key in tier.level_by_tag if key in builder.facts.tags]:
        if is_undecided and builder.ownership_status(key, tier.rule_ids) is OwnershipStatus.REVOKED:
            owner = builder.ownership[key].rule
            builder.remove(key=key, rule=owner, cause="taken_back", inputs=NO_INPUTS)
        else:
            builder.retain(key=key, rule=tier.id, cause="excluded")
    hold = builder.holds.get(tier.id)
    if is_undecided and hold is not None and hold.tag_key not in builder.facts.tags:
        del builder.holds[tier.id]


def observe_tier(builder: DecisionBuilder, tier: CompiledTier) -> TierSituation:
    """Observe the levels of the customer."""
    hold = builder.holds.get(tier.id)
    if hold is not None and hold.observed_by in builder.rules.rolled_back:
        hold = msgspec.structs.replace(hold, below_since=None, observed_by=0)
    held, below_since = _held_level(builder, tier, hold) if tier.downgrade_days else (None, None)
    return TierSituation(earned_level(builder, tier), held, below_since, hold)


def earned_level(builder: DecisionBuilder, tier: CompiledTier) -> int:
    """The highest level whose conditions are true; the number of levels if there is none."""
    for index, level in enumerate(tier.levels):
        if level.matches(builder.facts):
            return index
    return len(tier.levels)


def choose_level(situation: TierSituation, *, downgrade_days: int, today: int) -> TierTarget:
    """The earned level, or the held level until its downgrade is due."""
    earned, held = situation.earned, situation.held
    if held is None or earned <= held:
        return TierTarget(earned)
    if downgrade_days == FOREVER:
        return TierTarget(held)
    below_since = today if situation.below_since is None else situation.below_since
    until = below_since + downgrade_days
    return TierTarget(held, below_since, until) if today < until else TierTarget(earned)


def _held_level(
    builder: DecisionBuilder, tier: CompiledTier, hold: Hold | None
) -> tuple[int | None, int | None]:
    """The held level, and the day since which the customer has earned less.

    The level of the hold, else the highest level whose tag the tier owns. Revoked ownership does not count.
    """
    if hold is not None and hold.tag_key in tier.level_by_tag and hold.tag_key in builder.facts.tags:
        owner = builder.ownership.get(hold.tag_key)
        if owner is None or owner.rule != tier.id or not builder.is_revoked(owner):
            return tier.level_by_tag[hold.tag_key], hold.below_since
    owned = [
        level
        for key, level in tier.level_by_tag.items()
        if (owner := builder.ownership.get(key)) is not None
        and owner.rule == tier.id
        and not builder.is_revoked(owner)
    ]
    return min(owned, default=None), None


def _apply_target(
    builder: DecisionBuilder, tier: CompiledTier, situation: TierSituation, target: TierTarget
) -> None:
    """Add the tag of the target level. If it is present, take over the ownership of a rule that is gone."""
    level = tier.levels[target.level]
    if level.key not in builder.facts.tags:
        builder.add(tag=level.tag, key=level.key, rule=tier.id, cause="matched", inputs=level.inputs)
        return
    if builder.ownership_status(level.key, frozenset({tier.id})) in MOVES_OWNERSHIP:
        owner = builder.ownership[level.key]
        builder.ownership[level.key] = owner.transferred(rule=tier.id, version=builder.version)
    if target.level == situation.earned:
        builder.have(level.tag)
    else:
        builder.retain(key=level.key, rule=tier.id, cause="downgrade", until=target.until)


def _apply_other(builder: DecisionBuilder, tier: CompiledTier, key: str) -> None:
    """Remove the tag of another level, if the policy allows it."""
    owner, status = builder.ownership.get(key), builder.ownership_status(key, frozenset({tier.id}))
    action = OTHER_LEVEL_POLICY[status, tier.owns_all]
    if action.effect == "remove":
        remover = owner.rule if owner is not None and status in OWNER_REMOVES else tier.id
        builder.remove(key=key, rule=remover, cause=action.cause, inputs=tier.inputs)
    else:
        builder.retain(key=key, rule=owner.rule if owner else tier.id, cause=action.cause)


def _update_hold(
    builder: DecisionBuilder, tier: CompiledTier, situation: TierSituation, target: TierTarget
) -> None:
    """Store the level and since when it is held. `downgrade: at_once` needs no hold."""
    builder.holds.pop(tier.id, None)
    if not tier.downgrade_days or target.level == len(tier.levels):
        return
    key, old, below = tier.levels[target.level].key, situation.hold, target.below_since
    since = old.since_day if old is not None and old.tag_key == key else builder.today
    if below is None:
        observed_by = 0
    else:
        observed_by = old.observed_by if old is not None and old.below_since == below else builder.version
    builder.holds[tier.id] = Hold(key, since, below, observed_by)
