"""One customer explained whole: whose each tag is, what every rule says and why, and when that changes by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from service.domain.customers import Customer
from service.domain.evaluation import Compiled, CompiledRule, CompiledTier
from service.domain.explanation import Found
from service.domain.ordering import Maker
from service.domain.standing import Hold, Intent, Standing
from service.domain.touches import Touches

State = Literal[
    "has",
    "gets",
    "loses",
    "kept",
    "not_ours",
    "left",
    "excluded",
    "stopped",
    "other_rule",
    "none",
    "disabled",
]
Whose = Literal["ours", "adopted", "others", "under_way"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is looked at: a customer with all that is kept about it, at a moment, on a day of the shop (ordinal).

    `stopped`: folded tags that are not given today, because somebody took them off three times. `touches`: what
    others last did to each tag, as far as that was noticed. `gone`: rules and tiers of earlier versions, as they
    last were, that tags or entries of the ledger name.
    """

    customer: Customer
    standing: Standing
    today: int
    now_ms: int
    version: int
    intents: Mapping[str, Intent]
    stopped: frozenset[str] = frozenset()
    touches: Touches = field(default_factory=dict)
    gone: Mapping[str, Maker] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TagVerdict:
    """A tag that the customer has, and who put it on: us, somebody else, or an addition under way.

    `adopted`: somebody else did, and it became ours at `since_ms`.

    `since_ms` is 0 where nobody noticed: the tag was there at the first look.
    """

    tag: str
    whose: Whose
    rule: str = ""
    version: int = 0
    since_ms: int = 0
    leaves: bool = False


@dataclass(frozen=True, slots=True)
class Coming:
    """The day (ordinal) on which something changes by itself, and what then happens to the tags."""

    day: int
    adds: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What one rule says. `until`: the day on which its hold ends; None with `kept`: never."""

    source: CompiledRule
    found: Found
    state: State
    until: int | None
    hold: Hold | None
    coming: Coming | None


@dataclass(frozen=True, slots=True)
class TierVerdict:
    """What one tier says: levels as their place from the top, None for no level.

    `found` has one explanation for each level. `waits`: the level is lost, but `downgrade` holds it until `until`.
    """

    source: CompiledTier
    found: tuple[Found, ...]
    now: int | None
    earned: int | None
    waits: bool
    until: int | None
    excluded: bool
    coming: Coming | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole of it. `add` and `remove`: what would be written now. `next_change`: see Decision."""

    known: Known
    compiled: Compiled
    tags: tuple[TagVerdict, ...]
    rules: tuple[RuleVerdict, ...]
    tiers: tuple[TierVerdict, ...]
    add: tuple[str, ...]
    remove: tuple[str, ...]
    next_change: int | None
