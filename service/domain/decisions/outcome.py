"""What a decision does with one tag, and why."""

from __future__ import annotations

from typing import Literal

import msgspec

from service.domain.decisions.state import UndoRecord

Effect = Literal["add", "remove", "retain", "have", "withhold"]
ChangeCause = Literal["matched", "unmatched", "outranked", "gone", "taken_back", "renamed", "restored"]
RetainCause = Literal["kept", "downgrade", "not_ours", "left", "excluded", "undecided"]
Cause = ChangeCause | RetainCause


class TagOutcome(msgspec.Struct, frozen=True, gc=False):
    """What a decision does with one tag, and why.

    Effects and their causes:

    - `add`: `matched`; `renamed` (a kept tag moves to the new name of its rule); `restored` (by a roll-back).
    - `remove`: `unmatched` (its rule no longer matches); `outranked` (another level of the tier applies); `gone` (its
      rule was deleted, disabled or renamed); `taken_back` (a roll-back revokes the addition).
    - `retain`: no rule gives the tag, and it stays: `kept` (`keep`), `downgrade`, `not_ours` (a person added it),
      `left` (`when_gone: leave`), `excluded`, `undecided` (a rule that reads a missing field decides nothing).
    - `have`: `matched`; the customer has the tag already.
    - `withhold`: `excluded`; a rule would give the tag, but the customer is excluded from the rule.

    A tag has one outcome, with two exceptions. Each hold is an outcome of its own: a tag that two rules keep is
    retained twice, and a tag that is added as `renamed` is also retained. A tag that is added as `restored` also has
    the outcome of the decision that assumes it present.
    """

    effect: Effect
    tag: str  # as the record spells it, else as the rule does
    cause: Cause
    rule: str = ""  # id of the rule or tier; empty for `have`, and for a restored tag that we do not own
    until: int | None = None  # the day (ordinal) on which a retained tag may be removed; None: no day is set
    evidence: dict[str, object] = {}  # of an added or removed tag; msgspec copies an empty default
    undo: UndoRecord | None = None  # of a removed tag
