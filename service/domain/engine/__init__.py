"""Compiles a rule set into functions over a customer's facts, and builds these facts.

`compile_rules` returns `CompiledRules`, which answers what the live rules say of a customer on a day.
"""

from service.domain.engine.compiled import (
    CompiledRule,
    CompiledRules,
    CompiledTier,
    FastResult,
    Step,
    TagStep,
)
from service.domain.engine.compiler import compile_rules
from service.domain.engine.evidence import NO_INPUTS, RuleInputs, evidence, fact_value
from service.domain.engine.facts import Facts, build_facts
from service.domain.engine.predicates import CompiledCondition, CompiledExpression, CompiledGroup

__all__ = [
    "NO_INPUTS",
    "CompiledCondition",
    "CompiledExpression",
    "CompiledGroup",
    "CompiledRule",
    "CompiledRules",
    "CompiledTier",
    "Facts",
    "FastResult",
    "RuleInputs",
    "Step",
    "TagStep",
    "build_facts",
    "compile_rules",
    "evidence",
    "fact_value",
]
