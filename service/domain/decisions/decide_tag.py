"""Deciding one tag that rules set: observe its situation, look the policy up, apply it, update the holds."""

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
    """Whether `keep` holds the tag, as far as no rule matches."""

    NONE = auto()
    ACTIVE = auto()  # a hold on this tag still runs
    RENAMED = auto()  # a hold runs on the older name of a rule with `when_gone: remove`


class Reach(StrEnum):
    """Which copies of the tag its rules may remove."""

    OURS = auto()  # those that we own
    ALL = auto()  # `owns: all`
    NONE = auto()  # the customer is excluded from every rule of the tag


class TagAction(NamedTuple):
    """What the policy says. `moves_ownership`: to the matching rule that keeps the tag longest."""

    effect: Effect
    cause: Cause
    moves_ownership: bool = False


Situation = tuple[bool, bool, HoldStatus, OwnershipStatus, Reach]  # matches, present, …


class _Row(NamedTuple):
    """One row of the policy. None stands for any value."""

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
    _Row(TagAction("retain", "excluded"), owners=(OwnershipStatus.EXCLUDED,)),
    _Row(TagAction("retain", "left"), owners=(OwnershipStatus.ORPHAN_KEEP,)),
    _Row(TagAction("retain", "not_ours")),
)
TAG_POLICY: Final[Mapping[Situation, TagAction | None]] = {
    situation: next(row.action for row in _ROWS if row.fits(situation))
    for situation in product((True, False), (True, False), HoldStatus, OwnershipStatus, Reach)
}


@dataclass(frozen=True, slots=True)
class TagSituation:
    """All that the policy and the holds of one tag depend on.

    `rules`: those from which the customer is not excluded; `matching`: those of them whose conditions hold. `holds`:
    by rule id, every hold that runs under this tag's name, the renamed rule's too. `renamed`: the rule whose hold
    runs under an older name.
    """

    rules: Sequence[CompiledRule]
    matching: Sequence[CompiledRule]
    present: bool
    holds: Mapping[str, tuple[Hold, int | None]]  # and the day on which each ends
    renamed: CompiledRule | None
    owner: Ownership | None
    status: OwnershipStatus
    owns_all: CompiledRule | None

    @property
    def key(self) -> Situation:
        """The situation's place in the policy."""
        if self.renamed is not None:
            hold = HoldStatus.RENAMED
        else:
            hold = HoldStatus.ACTIVE if self.holds else HoldStatus.NONE
        reach = Reach.ALL if self.owns_all is not None else Reach.OURS if self.rules else Reach.NONE
        return bool(self.matching), self.present, hold, self.status, reach

    @property
    def grantor(self) -> CompiledRule:
        """The matching rule that keeps the tag longest: it owns what is added."""
        matching = self.matching
        return matching[0] if len(matching) == 1 else max(matching, key=_hold_duration)


def decide_orphans(builder: DecisionBuilder) -> None:
    """Decide the tags that we own and that no live rule sets any more."""
    for key, own in [*builder.ownership.items()]:
        if key in builder.compiled.managed_tags:
            continue  # its own step decides
        match builder.ownership_status(key, frozenset()):
            case OwnershipStatus.REVOKED:
                builder.remove(key=key, rule=own.rule, cause="taken_back", inputs=NO_INPUTS)
            case OwnershipStatus.ORPHAN_REMOVE:
                builder.remove(key=key, rule=own.rule, cause="gone", inputs=NO_INPUTS)
            case OwnershipStatus.EXCLUDED:
                builder.retain(key=key, rule=own.rule, cause="excluded")
            case _:
                builder.retain(key=key, rule=own.rule, cause="left")


def decide_tag(builder: DecisionBuilder, step: TagStep) -> None:
    """Decide one tag. The first lines settle the many that are as they should be."""
    if not (step.has_hold or step.key in builder.ownership or builder.excluded):
        matches = step.matches(builder.facts)
        if matches is (step.key in builder.facts.tags):
            if matches:
                builder.have(step.tag)
            return
    situation = observe(builder, step)
    action = TAG_POLICY[situation.key]
    if action is not None:
        _apply(builder, step, situation, action)
    _update_holds(builder, step, situation)
    if len(situation.rules) < len(step.rules) and step.key not in builder.facts.tags:
        for rule in step.rules:
            if rule.id in builder.excluded and rule.matches(builder.facts):
                builder.note_exclusion(tag=step.tag, rule=rule.id)


def observe(builder: DecisionBuilder, step: TagStep) -> TagSituation:
    """The situation of one tag."""
    excluded = builder.excluded
    rules = [rule for rule in step.rules if rule.id not in excluded] if excluded else step.rules
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


def _apply(builder: DecisionBuilder, step: TagStep, situation: TagSituation, action: TagAction) -> None:
    """Carry the policy out on the tag and its ownership."""
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
    """Every rule that keeps the tag says so, and until when."""
    for rule_id, (_, until) in situation.holds.items():
        builder.retain(key=key, rule=rule_id, cause="kept", until=until)


def _remover(situation: TagSituation) -> tuple[str, RuleInputs]:
    """The rule that removes the tag, and what it reads: its owner if that may, else the one that owns all copies."""
    owner, owns_all = situation.owner, situation.owns_all
    if owner is not None and situation.status in OWNER_REMOVES:
        inputs = next((rule.inputs for rule in situation.rules if rule.id == owner.rule), NO_INPUTS)
        return owner.rule, inputs
    return (owns_all.id, owns_all.inputs) if owns_all is not None else ("", NO_INPUTS)


def _update_holds(builder: DecisionBuilder, step: TagStep, situation: TagSituation) -> None:
    """Start, move and end the holds of a tag's rules.

    A hold ends with its tag or with `keep`, not with its days: while the tag stays, the start of the hold stays too.
    Otherwise the days for which a tag is kept would depend on whether somebody looked in between.
    """
    holds, key = builder.holds, step.key
    if situation.matching:
        _start_holds(builder, step, situation)
    elif situation.renamed is not None:
        holds[situation.renamed.id] = Hold(key, holds[situation.renamed.id].since_day)
    holds |= {rule_id: hold for rule_id, (hold, _) in situation.holds.items()}
    present = key in builder.facts.tags
    for rule in situation.rules if holds else ():
        hold = holds.get(rule.id)
        if hold is not None and not (present and hold.tag_key == key):
            del holds[rule.id]


def _start_holds(builder: DecisionBuilder, step: TagStep, situation: TagSituation) -> None:
    """A hold starts when a rule matches; on a tag of a person's only with `owns: all`."""
    holds, owner = builder.holds, situation.owner
    if situation.status is OwnershipStatus.REVOKED and owner is not None:
        hold = holds.get(owner.rule)
        if hold is not None and hold.tag_key == step.key:
            del holds[owner.rule]  # it came with what is taken back
    ours = not situation.present or situation.status not in {OwnershipStatus.NONE, OwnershipStatus.EXCLUDED}
    for rule in situation.matching if step.has_hold else ():
        if rule.keep_days:
            hold = _known_hold(builder, step, rule)
            if hold is None and (ours or rule.owns_all):
                hold = Hold(step.key, builder.today)
            if hold is not None:
                holds[rule.id] = hold


def _known_hold(builder: DecisionBuilder, step: TagStep, rule: CompiledRule) -> Hold | None:
    """The hold of a rule on this tag: the stored one, else one that starts with the rule's ownership.

    A hold that came with what a roll-back takes back is none.
    """
    if _owner_is_revoked(builder, step, rule):
        return None
    hold = builder.holds.get(rule.id)
    if hold is not None and hold.tag_key == step.key:
        return hold
    owner = builder.ownership.get(step.key)
    if owner is not None and owner.rule == rule.id:
        return Hold(step.key, min(builder.compiled.local_day(owner.since_ms), builder.today))
    return None


def _active_holds(
    builder: DecisionBuilder, step: TagStep, rules: Sequence[CompiledRule], renamed: CompiledRule | None
) -> dict[str, tuple[Hold, int | None]]:
    """The holds that run today under this tag's name, and the day on which each ends."""
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
    """A rule that keeps a tag under its older name: with `when_gone: remove` the new name takes its place."""
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
