"""The rule engine: compiles a rule set into generated functions over a customer's facts.

Others call `compile_rules` and ask the compiled rules."""

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
