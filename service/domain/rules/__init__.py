"""The rule language: fields, operators, conditions, rules, tiers, and what a new version inherits.

Other rooms read rule sets and walk their conditions; parsing documents and evaluating customers happen elsewhere."""

from service.domain.rules.calendar import (
    LAST_DAY,
    Calendar,
    Day,
    age,
    calendar_for,
    make_day,
    next_age_change,
    next_anniversary,
    window_boundary,
)
from service.domain.rules.conditions import (
    AllOf,
    AnyOf,
    Condition,
    Expression,
    Not,
    children,
    iter_conditions,
)
from service.domain.rules.document import (
    FOREVER,
    DowngradeAfter,
    LocalizedName,
    OrphanPolicy,
    Rule,
    RuleOrTier,
    RuleSet,
    TagSetter,
    Tier,
    TierLevel,
    direct_dependencies,
    find_cycle,
)
from service.domain.rules.fields import FIELDS, Field, FieldType
from service.domain.rules.inheritance import (
    NO_INHERITANCE,
    Inheritance,
    decode_inheritance,
    encode_inheritance,
    inherit,
    inherit_rollback,
)
from service.domain.rules.messages import Message, message
from service.domain.rules.operands import InvalidOperand, Operand, OperandType, strip_accents
from service.domain.rules.operators import OPERATORS, Operator
from service.domain.rules.scalars import did_you_mean

__all__ = [
    "FIELDS",
    "FOREVER",
    "LAST_DAY",
    "NO_INHERITANCE",
    "OPERATORS",
    "AllOf",
    "AnyOf",
    "Calendar",
    "Condition",
    "Day",
    "DowngradeAfter",
    "Expression",
    "Field",
    "FieldType",
    "Inheritance",
    "InvalidOperand",
    "LocalizedName",
    "Message",
    "Not",
    "Operand",
    "OperandType",
    "Operator",
    "OrphanPolicy",
    "Rule",
    "RuleOrTier",
    "RuleSet",
    "TagSetter",
    "Tier",
    "TierLevel",
    "age",
    "calendar_for",
    "children",
    "decode_inheritance",
    "did_you_mean",
    "direct_dependencies",
    "encode_inheritance",
    "find_cycle",
    "inherit",
    "inherit_rollback",
    "iter_conditions",
    "make_day",
    "message",
    "next_age_change",
    "next_anniversary",
    "strip_accents",
    "window_boundary",
]
