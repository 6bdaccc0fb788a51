"""The same rules for two other engines: conditions as CEL and as zen expressions over a dict of facts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import cel
import zen

from service.domain.engine.facts import Facts
from service.domain.engine.predicates import CompiledCondition, CompiledExpression
from service.domain.rules.conditions import AllOf, AnyOf

Matcher = Callable[[Any], bool]  # of facts in the form of the engine
_COMPARE: Final = {
    "at_least": ">=",
    "more_than": ">",
    "at_most": "<=",
    "less_than": "<",
    "is": "==",
    "before": "<",
    "after": ">",
}


def as_mapping(facts: Facts) -> dict[str, Any]:
    """The facts that these rules read, in the form of the other engines."""
    names = [name for name in facts.__struct_fields__ if name not in {"day", "birthday", "tags"}]
    born = facts.birthday
    return {name: getattr(facts, name) for name in names} | {
        "today": facts.day.ordinal,
        "month": facts.day.month,
        "birth_month": None if born is None else born.month,
        "tags": sorted(facts.tags),
    }


def cel_matcher(branch: CompiledExpression) -> Matcher:
    """A compiled CEL program."""
    program = cel.compile(_expression(branch, "cel"))
    return lambda context: bool(program.execute(context))


def zen_matcher(branch: CompiledExpression) -> Matcher:
    """A compiled zen expression."""
    expression = zen.compile_expression(_expression(branch, "zen"))
    return lambda facts: bool(expression.evaluate(facts))


def _expression(branch: CompiledExpression, engine: str) -> str:
    both, either, negated = ("&&", "||", "!") if engine == "cel" else ("and", "or", "not ")
    if isinstance(branch, CompiledCondition):
        return f"({_comparison(branch, engine, both, either)})"
    parts = [_expression(part, engine) for part in branch.parts]
    if isinstance(branch.expression, AllOf | AnyOf):
        return "(" + f" {both if isinstance(branch.expression, AllOf) else either} ".join(parts) + ")"
    return f"({negated}{parts[0]})"


def _comparison(condition: CompiledCondition, engine: str, both: str, either: str) -> str:
    names, op, value = condition.field.fact_names, condition.operator.name, condition.value
    name = names[0]
    if op in {"is_empty", "is_not_empty"}:
        return f"{name} {'==' if op == 'is_empty' else '!='} null"
    if op == "has_any" and isinstance(value, frozenset):
        return _any_tag(json.dumps(sorted(map(str, value)), ensure_ascii=False), engine)
    if op == "this_month":
        return "birth_month == month"
    if op in {"within_last", "more_than_ago"}:
        return f"{name} != null {both} {name} {'>=' if op == 'within_last' else '<'} today - {value}"
    if isinstance(value, tuple):
        return f"{name} != null {both} {name} >= {value[0]} {both} {name} <= {value[1]}"
    if isinstance(value, frozenset):
        listed = json.dumps(sorted(value, key=str), ensure_ascii=False)
        return f" {either} ".join(f"{name} in {listed}" for name in names)
    if op == "ends_with":
        text = json.dumps(value)
        return f"{name} != null {both} " + (
            f"{name}.endsWith({text})" if engine == "cel" else f"endsWith({name}, {text})"
        )
    if isinstance(value, bool):
        return f"{name} == {json.dumps(value)}"
    return f"{name} != null {both} {name} {_COMPARE[op]} {value}"


def _any_tag(listed: str, engine: str) -> str:
    return f"tags.exists(tag, tag in {listed})" if engine == "cel" else f"some(tags, # in {listed})"
