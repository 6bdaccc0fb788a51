"""Settling one tag that rules set: given while one of them matches, kept, taken, or left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from service.domain.evaluation import CompiledRule, TagStep
from service.domain.reasons import NO_INPUTS, Why
from service.domain.rules import FOREVER
from service.domain.standing import Hold, taken_over
from service.domain.turns import Claim, Turn

_ALWAYS: Final = 1 << 30
_WHY: Final[Mapping[Claim, Why]] = {"live": "unmatched", "taken_back": "taken_back", "gone_remove": "gone"}


def settle_gone(turn: Turn) -> None:
    """What became of tags that are ours and that no live rule sets any more."""
    for key, own in [*turn.owned.items()]:
        if key in turn.compiled.sets:
            continue  # its own step looks at it
        match turn.claim(key, frozenset()):
            case "taken_back":
                turn.take(key=key, rule=own.rule, why="taken_back", inputs=NO_INPUTS)
            case "gone_remove":
                turn.take(key=key, rule=own.rule, why="gone", inputs=NO_INPUTS)
            case "excluded":
                turn.leave(key=key, rule=own.rule, why="excluded")
            case _:
                turn.leave(key=key, rule=own.rule, why="left")


def settle_tag(turn: Turn, step: TagStep) -> None:
    """Settle one tag; the first lines are for the many steps that are as they should be."""
    if not (step.keeps or step.key in turn.owned or turn.excluded):
        matched = step.matches(turn.facts)
        if matched is (step.key in turn.facts.tags):
            if matched:
                turn.wanted.append(step.tag)
            return
    _settle(turn, step)


def _settle(turn: Turn, step: TagStep) -> None:
    rules = [rule for rule in step.rules if rule.id not in turn.excluded] if turn.excluded else step.rules
    matching = [rule for rule in rules if rule.matches(turn.facts)]
    present = step.key in turn.facts.tags
    if matching:
        _given(turn, step, matching, present)
    elif turn.held and (follower := _follower(turn, step, rules)):
        if not present:
            turn.give(tag=step.tag, key=step.key, rule=follower.id, why="renamed", inputs=NO_INPUTS)
        turn.held[follower.id] = Hold(step.key, turn.held[follower.id].since)
        _kept(turn, step, rules)  # nobody wants it: it stays as long as the hold does
    elif present:
        _unwanted(turn, step, rules)
    if turn.held:
        _drop_spent_holds(turn, step, rules)
    if len(rules) < len(step.rules) and not present and step.key not in turn.added:
        _say_excluded(turn, step)


def _given(turn: Turn, step: TagStep, matching: Sequence[CompiledRule], present: bool) -> None:
    """The tag is wanted: add it, or see whose it is."""
    turn.wanted.append(step.tag)
    giver = (
        matching[0] if len(matching) == 1 else max(matching, key=_strength)
    )  # the one that will hold on longest answers for it
    if not present:
        turn.give(tag=step.tag, key=step.key, rule=giver.id, why="matched", inputs=giver.inputs)
    claim = turn.claim(step.key, step.rule_ids)
    if claim in {"gone_leave", "gone_remove", "taken_back"}:
        own = turn.owned[step.key]  # whoever gave it is no longer there; those who want it take over
        hold = turn.held.get(own.rule)
        if claim == "taken_back" and hold is not None and hold.tag == step.key:
            del turn.held[own.rule]  # or what the undone version gave would be kept after all
        turn.owned[step.key] = taken_over(own, rule=giver.id, version=turn.version)
    for rule in matching if step.keeps else ():
        ours = rule.owns_all or claim not in {"none", "excluded"}
        if rule.keep_days and ours and _hold(turn, step, rule) is None:
            turn.held[rule.id] = Hold(step.key, turn.today)
        elif rule.keep_days and (hold := _hold(turn, step, rule)) is not None:
            turn.held[rule.id] = hold


def _strength(rule: CompiledRule) -> int:
    return _ALWAYS if rule.keep_days == FOREVER else rule.keep_days


def _hold(turn: Turn, step: TagStep, rule: CompiledRule) -> Hold | None:
    """The rule's hold on this tag: as kept, or as ownership tells when nothing was kept.

    A hold that came with a gift which is taken back is none.
    """
    own = turn.owned.get(step.key)
    mine = own is not None and own.rule == rule.id
    if mine and own is not None and (own.rule, own.version) in turn.compiled.take_back:
        return None
    hold = turn.held.get(rule.id)
    if hold is not None and hold.tag == step.key:
        return hold
    if mine and own is not None:
        return Hold(step.key, min(turn.compiled.day_of(own.since_ms), turn.today))
    return None


def _follower(turn: Turn, step: TagStep, rules: Sequence[CompiledRule]) -> CompiledRule | None:
    """A rule whose kept tag had another name: with `when_gone: remove` the new name takes its place."""
    for rule in rules:
        hold = turn.held.get(rule.id)
        if (
            not rule.keep_days
            or hold is None
            or hold.tag == step.key
            or not turn.in_force(hold, rule.keep_days)
        ):
            continue
        own = turn.owner_at_first(hold.tag)
        if own is None or own.rule != rule.id or (own.rule, own.version) in turn.compiled.take_back:
            continue
        if rule.source.when_gone == "remove":
            return rule
    return None


def _unwanted(turn: Turn, step: TagStep, rules: Sequence[CompiledRule]) -> None:
    """No rule gives the tag that is there: keep it, take it if it is ours to touch, or leave it alone."""
    if _kept(turn, step, rules):
        return
    own, claim = turn.owned.get(step.key), turn.claim(step.key, step.rule_ids)
    by_all = next((rule for rule in rules if rule.owns_all), None)
    if own is not None and claim in _WHY:
        inputs = next((rule.inputs for rule in rules if rule.id == own.rule), NO_INPUTS)
        turn.take(key=step.key, rule=own.rule, why=_WHY[claim], inputs=inputs)
    elif by_all is not None:
        turn.take(key=step.key, rule=by_all.id, why="unmatched", inputs=by_all.inputs)
    elif claim == "excluded" or not rules:
        turn.leave(key=step.key, rule=own.rule if own else step.rules[0].id, why="excluded")
    else:
        turn.leave(key=step.key, rule=own.rule if own else rules[0].id, why="left" if own else "not_ours")


def _kept(turn: Turn, step: TagStep, rules: Sequence[CompiledRule]) -> bool:
    """Whether some rule's `keep` still shields the tag; each says until when."""
    kept = False
    for rule in rules:
        hold = _hold(turn, step, rule) if rule.keep_days else None
        if hold is None or not turn.in_force(hold, rule.keep_days):
            continue
        turn.held[rule.id] = hold
        until = None if rule.keep_days == FOREVER else hold.since + rule.keep_days
        turn.leave(key=step.key, rule=rule.id, why="kept", until=until)
        kept = True
    return kept


def _drop_spent_holds(turn: Turn, step: TagStep, rules: Sequence[CompiledRule]) -> None:
    """A hold ends with its tag or with `keep`, not with its days.

    While the tag stays, the day of its giving stays too: otherwise how long it is kept would depend on
    whether anybody looked in between.
    """
    for rule in rules:
        hold = turn.held.get(rule.id)
        there = hold is not None and hold.tag == step.key and step.key in turn.facts.tags
        if hold is not None and not (there and rule.keep_days):
            del turn.held[rule.id]


def _say_excluded(turn: Turn, step: TagStep) -> None:
    for rule in step.rules:
        if rule.id in turn.excluded and rule.matches(turn.facts):
            turn.withhold(tag=step.tag, rule=rule.id)
