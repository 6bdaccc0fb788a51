"""The condition tree of a rule as authored: all, any, not, and single conditions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationInfo, model_validator

from service.domain.rules.fields import FIELDS
from service.domain.rules.operands import InvalidOperand, Operand, OperandType, parse_operand
from service.domain.rules.operators import OPERATORS, Operator
from service.domain.rules.scalars import ConditionValue, Text, did_you_mean, validation_error

MAX_CONDITIONS: Final = 50
MAX_DEPTH: Final = 4


class Model(BaseModel):
    """Base of all parts of a document: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class Condition(Model):
    """A comparison of one field; `value` is kept as authored."""

    field: Text
    op: Text
    value: ConditionValue = None

    @property
    def operator(self) -> Operator:
        """The operator of the field's type with the name `op`."""
        return OPERATORS[FIELDS[self.field].type][self.op]

    def operand(self, currency: str) -> Operand:
        """Parse `value` into what the operator compares with; raises InvalidOperand."""
        return parse_operand(
            operand_type=self.operator.operand_type,
            field=FIELDS[self.field],
            value=self.value,
            currency=currency,
        )

    @model_validator(mode="after")
    def _check_value(self, info: ValidationInfo) -> Condition:
        _check_names(self)
        context = info.context if isinstance(info.context, dict) else {}
        try:
            # A condition without a document has no currency; check_consistency checks the amount again.
            self.operand(context.get("currency", "USD"))
        except InvalidOperand as exc:
            missing = self.value is None and self.operator.operand_type is not OperandType.NONE
            raise validation_error(
                "missing" if missing else "bad_value",
                f"'value' is missing: {exc}" if missing else str(exc),
                at="" if missing else "value",
            ) from None
        return self


def _check_names(condition: Condition) -> None:
    """Refuse an unknown field, and an operator that the field's type does not have."""
    field = FIELDS.get(condition.field)
    if field is None:
        hint = did_you_mean(condition.field, FIELDS) or f"; use one of: {', '.join(FIELDS)}"
        raise validation_error("unknown_field", f"unknown field '{condition.field}'{hint}", at="field")
    operators = OPERATORS[field.type]
    if condition.op not in operators:
        message = f"'{condition.op}' cannot be used with '{field.name}' ({field.type}); use one of: {', '.join(operators)}"
        raise validation_error("bad_op", message + did_you_mean(condition.op, operators), at="op")


class AllOf(Model):
    """Matches if every part matches."""

    all: tuple[Node, ...] = Field(min_length=1)


class AnyOf(Model):
    """Matches if at least one part matches."""

    any: tuple[Node, ...] = Field(min_length=1)


class Not(Model):
    """Matches if the part does not match."""

    negated: Node = Field(alias="not")


Expression = AllOf | AnyOf | Not | Condition
_NODE_TAGS: Final = {AllOf: "<all>", AnyOf: "<any>", Not: "<not>", Condition: "<condition>"}


def _node_tag(value: object) -> str | None:
    """Choose the kind of node by its keys, so that the errors are those of the kind that the author meant."""
    if isinstance(value, Expression):
        return _NODE_TAGS[type(value)]
    if not isinstance(value, dict):
        return None
    return next((f"<{key}>" for key in ("all", "any", "not") if key in value), "<condition>")


Node = Annotated[
    Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[Not, Tag("<not>")]
    | Annotated[Condition, Tag("<condition>")],
    Discriminator(
        _node_tag,
        custom_error_type="bad_condition",
        custom_error_message="expected a condition (field, op, value) or a group (all, any, not)",
    ),
]

for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()


def children(node: Expression) -> tuple[Expression, ...]:
    """Return the nodes directly below a node."""
    match node:
        case AllOf():
            return node.all
        case AnyOf():
            return node.any
        case Not():
            return (node.negated,)
        case _:
            return ()


def iter_conditions(node: Expression) -> Iterator[Condition]:
    """Yield all conditions of a tree in document order."""
    if isinstance(node, Condition):
        yield node
    for child in children(node):
        yield from iter_conditions(child)


def depth(node: Expression) -> int:
    """Count nested groups (all, any); a `not` counts only directly inside another `not`."""
    depth_below = max(map(depth, children(node)), default=0)
    is_double_negation = isinstance(node, Not) and isinstance(node.negated, Not)
    return depth_below + (isinstance(node, AllOf | AnyOf) or is_double_negation)


def check_limits(node: Expression) -> Expression:
    """Refuse a tree with too many conditions or too many nested groups. The editor has the same limits."""
    if (count := sum(1 for _ in iter_conditions(node))) > MAX_CONDITIONS:
        raise validation_error(
            "too_many", f"a rule can have at most {MAX_CONDITIONS} conditions, this one has {count}"
        )
    if (levels := depth(node)) > MAX_DEPTH:
        raise validation_error(
            "too_deep", f"groups can be nested at most {MAX_DEPTH} deep, these are nested {levels} deep"
        )
    return node
