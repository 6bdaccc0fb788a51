"""Previews: the effect of a rule set on all customers of a shop, its cost, its warnings and its differences.

Others make a `Population` and call `preview`, `publish_plan`, `check_guard`, `lint` and `diff_rules`.
"""

from service.domain.preview.diff import (
    DiffLine,
    describe_change,
    describe_changes,
    describe_rule,
    diff_rules,
    summarize_change,
    yaml_diff,
)
from service.domain.preview.guard import PublishGuard, WriteCost, check_guard, check_limits, estimate_cost
from service.domain.preview.impact import Preview, TagPreview, TierPreview, preview, publish_plan
from service.domain.preview.lint import (
    LintWarning,
    describe_warning,
    lint,
    lint_coverage,
    lint_leftovers,
    lint_match,
    lint_matches,
    lint_missing,
)
from service.domain.preview.population import Population
from service.domain.preview.rule_effect import (
    RuleEffect,
    WarmPopulation,
    count_matches,
    count_parts,
    rule_effect,
)
from service.domain.preview.spellings import lint_own_spellings, lint_spellings
from service.domain.preview.values import (
    FieldValues,
    KnownValues,
    ValueCounts,
    count_values,
    field_values,
    lint_values,
)

__all__ = [
    "DiffLine",
    "FieldValues",
    "KnownValues",
    "LintWarning",
    "Population",
    "Preview",
    "PublishGuard",
    "RuleEffect",
    "TagPreview",
    "TierPreview",
    "ValueCounts",
    "WarmPopulation",
    "WriteCost",
    "check_guard",
    "check_limits",
    "count_matches",
    "count_parts",
    "count_values",
    "describe_change",
    "describe_changes",
    "describe_rule",
    "describe_warning",
    "diff_rules",
    "estimate_cost",
    "field_values",
    "lint",
    "lint_coverage",
    "lint_leftovers",
    "lint_match",
    "lint_matches",
    "lint_missing",
    "lint_own_spellings",
    "lint_spellings",
    "lint_values",
    "preview",
    "publish_plan",
    "rule_effect",
    "summarize_change",
    "yaml_diff",
]
