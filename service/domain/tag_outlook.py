"""What the rules of one tag would do to everybody."""

from __future__ import annotations

from service.domain.evaluation import TagStep
from service.domain.outlook import Outlook, Scene, why_held
from service.domain.tag_steps import decide_tag


def look_at_tag(scene: Scene, step: TagStep) -> Outlook:
    """What one tag's rules do."""
    outlook, key = Outlook(), step.key
    matching = [*map(step.matches, scene.facts)]
    present = [key in facts.tags for facts in scene.facts]
    added: list[int] = []
    odd: list[int] = []
    if matching != present:  # in a shop at rest they are equal, and nothing more is to be looked at
        pairs = enumerate(zip(matching, present, strict=True))
        differing = [place for place, (wanted, there) in pairs if wanted is not there]
        added = [place for place in differing if matching[place]]
        odd = [place for place in differing if present[place]]
    unchanged = sum(present) - len(odd)
    outlook.matched = _matched(scene, step, unchanged + len(added))
    if scene.apart:
        unchanged -= sum(present[place] and matching[place] for place in scene.apart)
        added = [place for place in added if place not in scene.apart]
        odd = [place for place in odd if place not in scene.apart]
    outlook.unchanged[key] = unchanged
    if added:
        outlook.cells[key, "added"] = added
    for place in odd:
        outlook.note(key, _odd_tag(scene, step, place), place)
    return outlook


def _matched(scene: Scene, step: TagStep, together: int) -> dict[str, int]:
    if len(step.rules) == 1:
        return {step.rules[0].id: together}
    return {rule.id: sum(map(rule.matches, scene.facts)) for rule in step.rules}


def _odd_tag(scene: Scene, step: TagStep, place: int) -> str:
    """The tag is there and no rule gives it; plain cases are told without a whole turn."""
    standing = scene.standings[place]
    if step.key not in standing.owned and not standing.held:
        return "removed" if step.owns_all else "not_ours"
    turn = scene.turn(place)
    decide_tag(turn, step)
    return "removed" if any(one.effect == "remove" for one in turn.outcomes) else why_held(turn, step.key)
