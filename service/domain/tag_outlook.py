"""What the rules of one tag would do to everybody."""

from __future__ import annotations

from service.domain.evaluation import TagStep
from service.domain.outlook import Outlook, Scene, why_held
from service.domain.tag_steps import settle_tag


def look_at_tag(scene: Scene, step: TagStep) -> Outlook:
    """What one tag's rules do. Written out, since it runs once for every customer."""
    outlook, matches, key = Outlook(), step.matches, step.key
    added: list[int] = []
    odd: list[int] = []
    unchanged = 0
    for place, facts in enumerate(scene.facts):
        if matches(facts):
            if key in facts.tags:
                unchanged += 1
            else:
                added.append(place)
        elif key in facts.tags:
            odd.append(place)
    outlook.matched = _matched(scene, step, unchanged + len(added))
    if scene.apart:
        unchanged -= sum(key in scene.facts[at].tags and matches(scene.facts[at]) for at in scene.apart)
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
    tags = scene.facts[place].tags
    turn = scene.turn(place)
    settle_tag(turn, step)
    turn.facts.tags = tags
    return "removed" if step.key in turn.removed else why_held(turn, step.key)
