"""The explanation of one customer: the origin of each tag, and what every rule and tier says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from service.domain.customers import Customer, ExternalChanges, MissingReason
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
    "undecided",
    "stopped",
    "other_rule",
    "none",
]
TagOrigin = Literal["ours", "adopted", "others", "under_way"]


@dataclass(frozen=True, slots=True)
class ExplainInput:
    """A customer with everything stored about it, on the shop's day `today` (ordinal).

    `intents`: folded tag -> a write that may be under way. `suppressed`: folded tags that are not written today,
    because people reverted them three times. `external_changes`: the last change that somebody else made to each
    tag, as far as we noticed. `former_rules`: by id, the last version of rules and tiers that are no longer live but
    that a tag or the ledger names.
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
    """A tag that the customer has, and who added it.

    `origin`: `ours`; `adopted` (somebody else added it, and we own it since `since_ms`); `others`; `under_way` (our
    own addition is being written). `since_ms` is 0 if the tag was there when we first saw the customer.
    """

    tag: str
    origin: TagOrigin
    rule: str = ""
    version: int = 0
    since_ms: int = 0
    will_be_removed: bool = False


@dataclass(frozen=True, slots=True)
class ScheduledChange:
    """The day (ordinal) on which time alone may change something, and what then happens to the tags."""

    day: int
    adds: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """The status of a rule's tag. `until`: the day (ordinal) on which its hold ends; None for `kept` means never.

    `missing`: the fields that the rule reads and the record lacks. Then the rule is `undecided`.
    """

    rule: CompiledRule
    trace: Trace
    status: RuleStatus
    until: int | None
    hold: Hold | None
    scheduled: ScheduledChange | None
    missing: Mapping[str, MissingReason] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TierExplanation:
    """A customer's level in a tier. Levels are indexes from the top, None for no level.

    `traces` has one trace for each level. `is_waiting`: the level is lost, but `downgrade` holds it until `until`
    (ordinal; None means for ever). `missing`: the fields that the tier reads and the record lacks; then nothing is
    decided, and no level is earned.
    """

    tier: CompiledTier
    traces: tuple[Trace, ...]
    current: int | None
    earned: int | None
    is_waiting: bool
    until: int | None
    is_excluded: bool
    scheduled: ScheduledChange | None
    missing: Mapping[str, MissingReason] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CustomerExplanation:
    """The whole explanation. `add` and `remove` would be written now. `next_change`: see `Decision`."""

    input: ExplainInput
    rule_set: CompiledRules
    tags: tuple[TagExplanation, ...]
    rules: tuple[RuleExplanation, ...]
    tiers: tuple[TierExplanation, ...]
    add: tuple[str, ...]
    remove: tuple[str, ...]
    next_change: int | None
