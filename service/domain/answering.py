"""Who answers for a tag that is put back: the live rule or tier that it is ours for, and what that one reads."""

from __future__ import annotations

from collections.abc import Mapping

from service.domain.evaluation import Compiled, TagStep
from service.domain.reasons import NO_INPUTS, Inputs
from service.domain.standing import Hold, Owned


def answering(compiled: Compiled, held: Mapping[str, Hold], key: str, own: Owned) -> str:
    """As it was, if that rule or tier sets the tag now, else one that holds it, else as it was all the same."""
    live = compiled.live
    if key in live.get(own.rule, ()):
        return own.rule
    holding = (one for one, hold in held.items() if hold.tag == key and key in live.get(one, ()))
    return next(holding, own.rule)


def inputs_for(compiled: Compiled, key: str, rule: str) -> Inputs:
    """What the conditions of the rule or tier read that sets this (folded) tag; nothing where it sets none."""
    for step in compiled.steps:
        if isinstance(step, TagStep):
            if step.key == key:
                return next((one.inputs for one in step.rules if one.id == rule), NO_INPUTS)
        elif step.id == rule:
            return step.inputs
    return NO_INPUTS
