"""The drain's decision on a record, as small as it can be and still be the design's."""

from __future__ import annotations

from typing import NamedTuple

from tests.model import store as kept
from tests.model.scope import Rules
from tests.model.shop import Seen, wanted
from tests.model.store import OLD, YOUNG, Store


class Decision(NamedTuple):
    """What is to be done, what is ours in the record as it was seen, and what is still open."""

    change: bool
    add: bool
    owned: int
    intent: int
    again: bool


def decide(rules: Rules, seen: Seen, store: Store, *, version: int, day: int) -> Decision:
    """Settle intents and ownership from the record, then compare."""
    owned, intent = store.owned, store.intent
    if intent:
        owned, intent = _settled(rules, seen, owned, intent)
    if owned and not seen.tagged and not (rules.young_ownership_outlives_absence and owned == YOUNG):
        owned = 0
    want = wanted(value=seen.value, version=version, day=day)
    add = want and not seen.tagged
    remove = seen.tagged and not want and owned != 0
    doubtful = (rules.open_intents_are_looked_at_again and intent == YOUNG) or (
        owned == YOUNG and not seen.tagged
    )
    return Decision(add or remove, add, owned, intent, doubtful)


def _settled(rules: Rules, seen: Seen, owned: int, intent: int) -> tuple[int, int]:
    if seen.tagged:
        stays = rules.present_intents_are_kept and intent == YOUNG
        return owned or intent, (intent if stays else 0)
    stays = rules.absent_intents_are_kept and intent != OLD
    return owned, (intent if stays else 0)


def owned_after(add: bool) -> int:
    """What an answered write makes of ownership."""
    return kept.YOUNG if add else 0
