"""The outcome of a decision for one tag."""

from __future__ import annotations

from typing import Literal

import msgspec

from service.domain.decisions.state import UndoRecord

Effect = Literal["add", "remove", "retain", "have", "withhold"]
ChangeCause = Literal["matched", "unmatched", "outranked", "gone", "taken_back", "renamed", "restored"]
RetainCause = Literal["kept", "downgrade", "not_ours", "left", "excluded"]
Cause = ChangeCause | RetainCause


class TagOutcome(msgspec.Struct, frozen=True, gc=False):
    """What a decision does with one tag, and why.

    Effects and their causes:

    - `add`: `matched`; `renamed` (a kept tag follows its rule's new name); `restored` (a roll-back undid its removal).
    - `remove`: `unmatched` (its rule no longer matches); `outranked` (another level of the tier won); `gone` (its
      rule was deleted, disabled or renamed); `taken_back` (a roll-back undid what added it).
    - `retain`: no rule gives the tag, and it stays: `kept` (`keep`), `downgrade`, `not_ours` (a person added it),
      `left` (`when_gone: leave`), `excluded`.
    - `have`: `matched`; the customer has the tag already.
    - `withhold`: `excluded`; a rule would give the tag, and the customer is excluded from it.

    A tag has one outcome, with two exceptions. Each hold is an outcome of its own: a tag that two rules keep is
    retained twice, and a tag that is added as `renamed` is also retained. A tag that is added as `restored` also has
    the outcome that it has as if it had stayed.

    `tag` is spelled as the record has it, or as the rule does if the record has it not. `rule` is the id of the rule
    or tier; empty for `have`, and for a restored tag that we do not own. `until`: the day (ordinal) on which a
    retained tag may be removed, None if no day changes that. `evidence`: of an added or removed tag, the values on
    that day, see `evidence`. `undo`: of a removed tag, what a roll-back needs to restore it.
    """

    effect: Effect
    tag: str
    cause: Cause
    rule: str = ""
    until: int | None = None
    evidence: dict[str, object] = {}  # msgspec copies an empty default
    undo: UndoRecord | None = None
