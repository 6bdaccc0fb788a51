"""Explanations: why a customer has a tag or not, as text or data, in Vietnamese and English.

Others explain a customer with `explain_customer`, and describe rules with the `describe` functions.
"""

from service.domain.explain.customer import explain_customer
from service.domain.explain.data import to_data, value_as_json
from service.domain.explain.model import (
    CustomerExplanation,
    ExplainInput,
    RuleExplanation,
    TagExplanation,
    TierExplanation,
)
from service.domain.explain.sentences import (
    describe,
    describe_downgrade,
    describe_keep,
    describe_levels,
    describe_orphan_policy,
    describe_ownership_scope,
    format_value,
)
from service.domain.explain.text import (
    TraceLine,
    describe_origin,
    describe_scheduled,
    describe_status,
    describe_tier,
    removed_by_others,
    render_text,
    rule_title,
    trace_outline,
)
from service.domain.explain.wording import LANGUAGES, Language, StrictTranslations, Translator

__all__ = [
    "LANGUAGES",
    "CustomerExplanation",
    "ExplainInput",
    "Language",
    "RuleExplanation",
    "StrictTranslations",
    "TagExplanation",
    "TierExplanation",
    "TraceLine",
    "Translator",
    "describe",
    "describe_downgrade",
    "describe_keep",
    "describe_levels",
    "describe_origin",
    "describe_orphan_policy",
    "describe_ownership_scope",
    "describe_scheduled",
    "describe_status",
    "describe_tier",
    "explain_customer",
    "format_value",
    "removed_by_others",
    "render_text",
    "rule_title",
    "to_data",
    "trace_outline",
    "value_as_json",
]
