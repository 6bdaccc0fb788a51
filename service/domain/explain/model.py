"""One customer explained whole: whose each tag is, what every rule says and why, and when that changes by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from service.domain.customers import Customer, ExternalChanges
from service.domain.decisions import CustomerState, Hold, WriteIntent
from service.domain.engine import CompiledRule, CompiledRules, CompiledTier
from service.domain.explain.trace import Trace
from service.domain.rules import RuleOrTier

RuleStatus = Literal[
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
TagOrigin = Literal["ours", "adopted", "others", "under_way"]


@dataclass(frozen=True, slots=True)
class ExplainInput:
    """What is looked at: a customer with all that is kept about it, at a moment, on a day of the shop (ordinal).

    `stopped`: folded tags that are not given today, because somebody took them off three times. `touches`: what
    others last did to each tag, as far as that was noticed. `gone`: rules and tiers of earlier versions, as they
    last were, that tags or entries of the ledger name.
    """

    customer: Customer
    state: CustomerState
    today: int
    now_ms: int
    version: int
    intents: Mapping[str, WriteIntent]
    suppressed: frozenset[str] = frozenset()
    external_changes: ExternalChanges = field(default_factory=dict)
    former_rules: Mapping[str, RuleOrTier] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TagExplanation:
    """A tag that the customer has, and who put it on: us, somebody else, or an addition under way.

    `adopted`: somebody else did, and it became ours at `since_ms`.

    `since_ms` is 0 where nobody noticed: the tag was there at the first look.
    """

    tag: str
    origin: TagOrigin
    rule: str = ""
    version: int = 0
    since_ms: int = 0
    will_be_removed: bool = False


@dataclass(frozen=True, slots=True)
class ScheduledChange:
    """The day (ordinal) on which something changes by itself, and what then happens to the tags."""

    day: int
    adds: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """What one rule says. `until`: the day on which its hold ends; None with `kept`: never."""

    rule: CompiledRule
    trace: Trace
    status: RuleStatus
    until: int | None
    hold: Hold | None
    scheduled: ScheduledChange | None


@dataclass(frozen=True, slots=True)
class TierExplanation:
    """What one tier says: levels as their place from the top, None for no level.

    `found` has one explanation for each level. `waits`: the level is lost, but `downgrade` holds it until `until`.
    """

    tier: CompiledTier
    traces: tuple[Trace, ...]
    current: int | None
    earned: int | None
    is_waiting: bool
    until: int | None
    excluded: bool
    scheduled: ScheduledChange | None


@dataclass(frozen=True, slots=True)
class CustomerExplanation:
    """The whole of it. `add` and `remove`: what would be written now. `next_change`: see Decision."""

    input: ExplainInput
    rule_set: CompiledRules
    tags: tuple[TagExplanation, ...]
    rules: tuple[RuleExplanation, ...]
    tiers: tuple[TierExplanation, ...]
    add: tuple[str, ...]
    remove: tuple[str, ...]
    next_change: int | None
