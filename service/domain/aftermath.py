"""What became of earlier writes: answers that were lost, tags that somebody took off, what is not tried again today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from service.domain.decision import Decision
from service.domain.ownership import settle_intents
from service.domain.standing import Intent, Owned, Standing, Stood
from service.domain.strikes import Strikes
from service.domain.tags import TagChange, TagSet, fold


def settle_begun(
    *, before: Mapping[str, Owned], intents: Mapping[str, Intent], current: TagSet, now_ms: int
) -> tuple[dict[str, Owned], dict[str, Intent], tuple[Intent, ...]]:
    """Settle writes whose answer was lost: what is ours now, what may still land, and what has landed.

    `before`: what was ours before the record was fetched.
    """
    owned, left = settle_intents(owned=before, intents=intents, current=current, now_ms=now_ms)
    found = [
        one
        for one in intents.values()
        if (fold(one.tag) in before) is one.taken and (fold(one.tag) in owned) is not one.taken
    ]
    return owned, left, tuple(found)


def to_restore(standing: Standing, found: tuple[Intent, ...], undone: frozenset[int]) -> Mapping[str, Stood]:
    """What is to be put back, with the removals of undone versions that were under way when these were undone."""
    before, known = standing.owned, standing.restores
    late = {
        fold(one.tag): one.stood
        for one in found
        if one.taken
        and one.version in undone
        and one.stood is not None
        # Later ones are ours anew: what took the tag since was a person.
        and before[fold(one.tag)].since_ms < one.at_ms
    }
    return {**late, **known} if late else known


def undone_by_others(
    gone: Mapping[str, Owned],
    *,
    fresh: Mapping[str, Owned],
    wanted: frozenset[str],
    strikes: Strikes,
    now_ms: int,
) -> dict[str, int]:
    """Tags of ours that somebody took off and that are wanted, each with the moment to note.

    A giving can be undone once, however often it is read. A fresh one stays ours while it is absent, so it is
    known again by its own moment: the clock of the moment of reading may have been set back since.
    """
    moments = {key: one.since_ms if key in fresh else now_ms for key, one in gone.items() if key in wanted}
    return {key: at for key, at in moments.items() if at not in strikes.get(key, ())}


def without(
    decision: Decision, refused: frozenset[str], before: Standing
) -> tuple[Decision, tuple[str, ...]]:
    """Leave out what was undone too often: what is not given is not ours, what is not taken stays ours."""
    given_up = tuple(tag for tag in (*decision.change.add, *decision.change.remove) if fold(tag) in refused)
    if not given_up:
        return decision, ()
    keys = frozenset(map(fold, given_up))
    owned = {key: one for key, one in decision.standing.owned.items() if key not in keys}
    owned |= {
        fold(tag): before.owned[fold(tag)]
        for tag in decision.change.remove
        if fold(tag) in keys & before.owned.keys()
    }
    change = TagChange(
        add=tuple(tag for tag in decision.change.add if fold(tag) not in keys),
        remove=tuple(tag for tag in decision.change.remove if fold(tag) not in keys),
    )
    reasons = tuple(one for one in decision.reasons if fold(one.tag) not in keys)
    kept = replace(decision.standing, owned=owned)
    return msgspec.structs.replace(decision, change=change, reasons=reasons, standing=kept), given_up
