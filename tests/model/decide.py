"""The drain's decision on a record, reduced to one rule and one tag."""

from __future__ import annotations

from typing import NamedTuple

from tests.model.scope import Rules
from tests.model.shop import Seen, wanted
from tests.model.store import BOTH_OLD, BOTH_YOUNG, OLD, TAKEN_OLD, TAKEN_YOUNG, YOUNG, Store


class Decision(NamedTuple):
    """What to write, the ownership according to the record, and the open intents."""

    change: bool
    add: bool
    owned: int
    intent: int
    again: bool


def decide(rules: Rules, seen: Seen, store: Store, *, version: int, day: int) -> Decision:
    """Settle intents and ownership from the record, then compare."""
    owned, intent = _settled(rules, seen, store.owned, store.intent)
    lags = rules.young_ownership_outlives_absence and owned == YOUNG and not seen.tagged
    if owned and not seen.tagged and not lags:
        owned = 0
    want = wanted(value=seen.value, version=version, day=day)
    add = want is True and not seen.tagged
    remove = want is False and seen.tagged and owned != 0
    again = lags or (rules.open_intents_are_looked_at_again and intent != 0)
    return Decision(add or remove, add, owned, intent, again)


def _settled(rules: Rules, seen: Seen, owned: int, intent: int) -> tuple[int, int]:
    """Ownership and intents after a look at the record, which shows whether a write without a response arrived."""
    young = intent in (YOUNG, TAKEN_YOUNG, BOTH_YOUNG)
    given = intent in (YOUNG, OLD, BOTH_YOUNG, BOTH_OLD)
    taken = intent in (TAKEN_YOUNG, TAKEN_OLD, BOTH_YOUNG, BOTH_OLD)
    if seen.tagged:
        stays = young and (taken or rules.young_intents_stay)
        left = intent if rules.young_intents_stay else TAKEN_YOUNG
        return (owned or YOUNG if given else owned), (left if stays else 0)
    if young and rules.young_intents_stay and rules.absent_intents_are_kept:
        return owned, intent
    stays = young and given and rules.absent_intents_are_kept
    return owned, (YOUNG if stays else 0)


def begun(rules: Rules, *, add: bool, intent: int) -> int:
    """The intent that is stored before the call, with or instead of the open one."""
    mine, other = (YOUNG, TAKEN_YOUNG) if add else (TAKEN_YOUNG, YOUNG)
    beside = rules.intents_stand_side_by_side and intent in (other, BOTH_YOUNG)
    return BOTH_YOUNG if beside else mine


def owned_after(add: bool) -> int:
    """Ownership after an answered write."""
    return YOUNG if add else 0
