"""The decision on one tag that rules set: observe its situation, look up the policy, apply it, update the holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from itertools import product
from typing import Final, NamedTuple

from service.domain.decisions.builder import MOVES_OWNERSHIP, OWNER_REMOVES, DecisionBuilder, OwnershipStatus
from service.domain.decisions.outcome import Cause, Effect
from service.domain.decisions.state import Hold, Ownership
from service.domain.engine import NO_INPUTS, CompiledRule, RuleInputs, TagStep
from service.domain.rules import FOREVER

_LONGEST: Final = 1 << 30


class HoldStatus(StrEnum):
    """Whether `keep` holds the tag while no rule matches."""

    NONE = auto()
    ACTIVE = auto()  # a hold on this tag is active
    RENAMED = auto()  # a hold is active on the former tag of a rule with `when_gone: remove`


class Reach(StrEnum):
    """Which copies of the tag its rules may remove."""

    OURS = auto()  # those that we own
    ALL = auto()  # `owns: all`
    NONE = auto()  # every rule of the tag is passive


class TagAction(NamedTuple):
    """The policy for one situation."""

    effect: Effect
    cause: Cause
    moves_ownership: bool = False  # to the matching rule that keeps the tag longest


Situation = tuple[bool, bool, HoldStatus, OwnershipStatus, Reach]  # the first two: matches, present


class _Row(NamedTuple):
    """One row of the policy. None stands for any value; an action of None leaves an absent tag absent."""

    action: TagAction | None
    matches: bool | None = None
    present: bool | None = None
    holds: tuple[HoldStatus, ...] = tuple(HoldStatus)
    owners: tuple[OwnershipStatus, ...] = tuple(OwnershipStatus)
    reach: tuple[Reach, ...] = tuple(Reach)

    def fits(self, situation: Situation) -> bool:
        matches, present, hold, owner, reach = situation
        return (
            self.matches in (None, matches)
            and self.present in (None, present)
            and hold in self.holds
            and owner in self.owners
            and reach in self.reach
        )


# The first row that fits decides.
_ROWS: Final = (
    _Row(TagAction("add", "matched"), matches=True, present=False),
    _Row(TagAction("have", "matched", True), matches=True, present=True, owners=tuple(MOVES_OWNERSHIP)),
    _Row(TagAction("have", "matched"), matches=True, present=True),
    _Row(TagAction("add", "renamed"), present=False, holds=(HoldStatus.RENAMED,)),
    _Row(None, present=False),
    _Row(TagAction("retain", "kept"), holds=(HoldStatus.RENAMED, HoldStatus.ACTIVE)),
    _Row(TagAction("remove", "unmatched"), owners=(OwnershipStatus.CURRENT,)),
    _Row(TagAction("remove", "taken_back"), owners=(OwnershipStatus.REVOKED,)),
    _Row(TagAction("remove", "gone"), owners=(OwnershipStatus.ORPHAN_REMOVE,)),
    _Row(TagAction("remove", "unmatched"), reach=(Reach.ALL,)),
    _Row(TagAction("retain", "excluded"), reach=(Reach.NONE,)),
    _Row(TagAction("retain", "excluded"), owners=(OwnershipStatus.PASSIVE,)),
    _Row(TagAction("retain", "left"), owners=(OwnershipStatus.ORPHAN_KEEP,)),
    _Row(TagAction("retain", "not_ours")),
)
TAG_POLICY: Final[Mapping[Situation, TagAction | None]] = {
    situation: next(row.action for row in _ROWS if row.fits(situation))
    for situation in product((True, False), (True, False), HoldStatus, OwnershipStatus, Reach)
}


@dataclass(frozen=True, slots=True)
class TagSituation:
    """Everything that the policy and the holds of one tag depend on."""

    rules: Sequence[CompiledRule]  # those that are not passive
    matching: Sequence[CompiledRule]
    present: bool
    holds: Mapping[str, tuple[Hold, int | None]]  # rule id -> active hold and the day on which it ends
    renamed: CompiledRule | None  # the rule whose active hold is still on its former tag; `holds` has it, too
    owner: Ownership | None
    status: OwnershipStatus
    owns_all: CompiledRule | None

    @property
    def key(self) -> Situation:
        """The key of the situation in TAG_POLICY."""
        if self.renamed is not None:
            hold = HoldStatus.RENAMED
        else:
            hold = HoldStatus.ACTIVE if self.holds else HoldStatus.NONE
        reach = Reach.ALL if self.owns_all is not None else Reach.OURS if self.rules else Reach.NONE
        return bool(self.matching), self.present, hold, self.status, reach

    @property
    def grantor(self) -> CompiledRule:
        """The matching rule that keeps the tag longest. It owns the tag if it is added."""
        matching = self.matching
        return matching[0] if len(matching) == 1 else max(matching, key=_hold_duration)


def decide_orphans(builder: DecisionBuilder) -> None:
    """Decide the tags that we own and that no live rule sets."""
    for key, own in [*builder.ownership.items()]:
        if key in builder.rules.managed_tags:
            continue  # the step of the tag decides
        match builder.ownership_status(key, frozenset()):
            case OwnershipStatus.REVOKED:
                builder.remove(key=key, rule=own.rule, cause="taken_back", inputs=NO_INPUTS)
            case OwnershipStatus.ORPHAN_REMOVE:
                builder.remove(key=key, rule=own.rule, cause="gone", inputs=NO_INPUTS)
            case OwnershipStatus.PASSIVE:
                builder.retain(key=key, rule=own.rule, cause="excluded")
            case _:
                builder.retain(key=key, rule=own.rule, cause="left")


def decide_tag(builder: DecisionBuilder, step: TagStep) -> None:
    """Decide one tag. Most tags need no change and no hold: the first lines decide these.

    If a rule of the tag is undecided and no other rule gives or holds the tag, it stays as it is.
    """
    if not (step.has_hold or step.key in builder.ownership or builder.passive):
        matches = step.matches(builder.facts)
        if matches is (step.key in builder.facts.tags):
            if matches:
                builder.have(step.tag)
            return
    situation = observe(builder, step)
    action = TAG_POLICY[situation.key]
    if (undecided := _undecided_rule(builder, step, situation)) is not None:
        if situation.present:
            builder.retain(key=step.key, rule=undecided, cause="undecided")
    elif action is not None:
        _apply(builder, step, situation, action)
    _update_holds(builder, step, situation)
    if len(situation.rules) < len(step.rules) and step.key not in builder.facts.tags:
        for rule in step.rules:
            if rule.id in builder.excluded and rule.matches(builder.facts):
                builder.note_exclusion(tag=step.tag, rule=rule.id)


def observe(builder: DecisionBuilder, step: TagStep) -> TagSituation:
    """Observe the situation of one tag."""
    passive = builder.passive
    rules = [rule for rule in step.rules if rule.id not in passive] if passive else step.rules
    matching = [rule for rule in rules if rule.matches(builder.facts)]
    present = step.key in builder.facts.tags
    renamed = None if matching else _renamed_rule(builder, step, rules)
    holds = {} if matching or not (present or renamed) else _active_holds(builder, step, rules, renamed)
    return TagSituation(
        rules=rules,
        matching=matching,
        present=present,
        holds=holds,
        renamed=renamed,
        owner=builder.ownership.get(step.key),
        status=builder.ownership_status(step.key, step.rule_ids),
        owns_all=next((rule for rule in rules if rule.owns_all), None),
    )


def _undecided_rule(builder: DecisionBuilder, step: TagStep, situation: TagSituation) -> str | None:
    """The id of the first undecided rule, if the tag depends on it: nothing gives, holds or takes back the tag."""
    if situation.matching or situation.holds or situation.status is OwnershipStatus.REVOKED:
        return None
    return next((rule.id for rule in step.rules if rule.id in builder.undecided), None)


def _apply(builder: DecisionBuilder, step: TagStep, situation: TagSituation, action: TagAction) -> None:
    """Apply the policy to the tag and its ownership."""
    owner, key = situation.owner, step.key
    match action.effect:
        case "add":
            rule = situation.renamed or situation.grantor
            inputs = NO_INPUTS if situation.renamed else rule.inputs
            builder.add(tag=step.tag, key=key, rule=rule.id, cause=action.cause, inputs=inputs)
            _retain_held(builder, key, situation)
        case "have":
            builder.have(step.tag)
            if action.moves_ownership and owner is not None:
                builder.ownership[key] = owner.transferred(rule=situation.grantor.id, version=builder.version)
        case "retain" if action.cause == "kept":
            _retain_held(builder, key, situation)
        case "retain":
            rules = situation.rules or step.rules
            builder.retain(key=key, rule=owner.rule if owner else rules[0].id, cause=action.cause)
        case "remove":
            rule_id, inputs = _remover(situation)
            builder.remove(key=key, rule=rule_id, cause=action.cause, inputs=inputs)


def _retain_held(builder: DecisionBuilder, key: str, situation: TagSituation) -> None:
    """Note each hold on the tag as an outcome."""
    for rule_id, (_, until) in situation.holds.items():
        builder.retain(key=key, rule=rule_id, cause="kept", until=until)


def _remover(situation: TagSituation) -> tuple[str, RuleInputs]:
    """The id and the inputs of the rule that removes the tag: its owner if allowed, else the rule with `owns: all`."""
    owner, owns_all = situation.owner, situation.owns_all
    if owner is not None and situation.status in OWNER_REMOVES:
        inputs = next((rule.inputs for rule in situation.rules if rule.id == owner.rule), NO_INPUTS)
        return owner.rule, inputs
    return (owns_all.id, owns_all.inputs) if owns_all is not None else ("", NO_INPUTS)


def _update_holds(builder: DecisionBuilder, step: TagStep, situation: TagSituation) -> None:
    """Start, move and end the holds of the rules of a tag.

    A hold ends with its tag or with `keep`, not after its days: while the tag stays, the start of the hold stays, too.
    Otherwise the number of days for which a tag is kept would depend on how often the customer is evaluated.
    """
    holds, key = builder.holds, step.key
    if situation.matching:
        _start_holds(builder, step, situation)
    elif situation.renamed is not None:
        holds[situation.renamed.id] = Hold(key, holds[situation.renamed.id].since_day)
    holds |= {rule_id: hold for rule_id, (hold, _) in situation.holds.items()}
    present = key in builder.facts.tags
    for rule in step.rules if holds else ():
        hold = holds.get(rule.id)
        if hold is None or rule.id in builder.excluded:
            continue
        is_former = hold.tag_key != key  # an undecided rule may still move it to the new name of its tag
        if (is_former and rule.id not in builder.undecided) or not (is_former or present):
            del holds[rule.id]


def _start_holds(builder: DecisionBuilder, step: TagStep, situation: TagSituation) -> None:
    """Start the holds of the matching rules. On a tag that a person added, only `owns: all` starts one."""
    holds, owner = builder.holds, situation.owner
    if situation.status is OwnershipStatus.REVOKED and owner is not None:
        hold = holds.get(owner.rule)
        if hold is not None and hold.tag_key == step.key:
            del holds[owner.rule]  # it started with the addition that is revoked
    ours = not situation.present or situation.status not in {OwnershipStatus.NONE, OwnershipStatus.PASSIVE}
    for rule in situation.matching if step.has_hold else ():
        if rule.keep_days:
            hold = _known_hold(builder, step, rule)
            if hold is None and (ours or rule.owns_all):
                hold = Hold(step.key, builder.today)
            if hold is not None:
                holds[rule.id] = hold


def _known_hold(builder: DecisionBuilder, step: TagStep, rule: CompiledRule) -> Hold | None:
    """The hold of a rule on this tag: the stored one, else one that starts with the ownership of the rule.

    None if a roll-back revokes the addition by this rule.
    """
    if _owner_is_revoked(builder, step, rule):
        return None
    hold = builder.holds.get(rule.id)
    if hold is not None and hold.tag_key == step.key:
        return hold
    owner = builder.ownership.get(step.key)
    if owner is not None and owner.rule == rule.id:
        return Hold(step.key, min(builder.rules.local_day(owner.since_ms), builder.today))
    return None


def _active_holds(
    builder: DecisionBuilder, step: TagStep, rules: Sequence[CompiledRule], renamed: CompiledRule | None
) -> dict[str, tuple[Hold, int | None]]:
    """The holds on this tag that are active today, and the day on which each ends."""
    active: dict[str, tuple[Hold, int | None]] = {}
    for rule in rules:
        if not rule.keep_days:
            continue
        if rule is renamed and not _owner_is_revoked(builder, step, rule):
            hold: Hold | None = Hold(step.key, builder.holds[rule.id].since_day)
        else:
            hold = _known_hold(builder, step, rule)
        if hold is not None and builder.hold_is_active(hold, rule.keep_days):
            active[rule.id] = hold, None if rule.keep_days == FOREVER else hold.since_day + rule.keep_days
    return active


def _owner_is_revoked(builder: DecisionBuilder, step: TagStep, rule: CompiledRule) -> bool:
    owner = builder.ownership.get(step.key)
    return owner is not None and owner.rule == rule.id and builder.is_revoked(owner)


def _renamed_rule(
    builder: DecisionBuilder, step: TagStep, rules: Sequence[CompiledRule]
) -> CompiledRule | None:
    """The first rule with an active hold on its former tag and `when_gone: remove`: the new tag replaces the former."""
    for rule in rules if builder.holds else ():
        hold = builder.holds.get(rule.id)
        if hold is None or hold.tag_key == step.key or rule.rule.when_gone != "remove":
            continue
        owner = builder.original_owner(hold.tag_key)
        owns = owner is not None and owner.rule == rule.id and not builder.is_revoked(owner)
        if owns and builder.hold_is_active(hold, rule.keep_days):
            return rule
    return None


def _hold_duration(rule: CompiledRule) -> int:
    return _LONGEST if rule.keep_days == FOREVER else rule.keep_days
