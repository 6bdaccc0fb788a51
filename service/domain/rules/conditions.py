"""The tree of a rule's conditions as authored: all, any, not, and comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationInfo, model_validator

from service.domain.rules.fields import FIELDS
from service.domain.rules.operands import InvalidOperand, Operand, OperandType, parse_operand
from service.domain.rules.operators import OPERATORS, Operator
from service.domain.rules.scalars import AuthoredValue, Text, did_you_mean, validation_error

MAX_CONDITIONS: Final = 50
MAX_DEPTH: Final = 4


class Model(BaseModel):
    """Frozen, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class Condition(Model):
    """One comparison; `value` is what the author wrote."""

    field: Text
    op: Text
    value: AuthoredValue = None

    @property
    def operator(self) -> Operator:
        """The operator's entry in the table."""
        return OPERATORS[FIELDS[self.field].type][self.op]

    def operand(self, currency: str) -> Operand:
        """The value as compared; raises BadValue."""
        return parse_operand(
            takes=self.operator.operand_type, field=FIELDS[self.field], value=self.value, currency=currency
        )

    @model_validator(mode="after")
    def _fits(self, info: ValidationInfo) -> Condition:
        _check_words(self)
        context = info.context if isinstance(info.context, dict) else {}
        try:
            # Without a document around it the currency is not known; the document looks again.
            self.operand(context.get("currency", "USD"))
        except InvalidOperand as exc:
            missing = self.value is None and self.operator.operand_type is not OperandType.NONE
            raise validation_error(
                "missing" if missing else "bad_value",
                f"'value' is missing: {exc}" if missing else str(exc),
                at="" if missing else "value",
            ) from None
        return self


def _check_words(condition: Condition) -> None:
    """The field must be known, and the operator one of the field's own."""
    field = FIELDS.get(condition.field)
    if field is None:
        near = did_you_mean(condition.field, FIELDS) or f"; use one of: {', '.join(FIELDS)}"
        raise validation_error("unknown_field", f"unknown field '{condition.field}'{near}", at="field")
    known = OPERATORS[field.type]
    if condition.op not in known:
        message = f"'{condition.op}' cannot be used with '{field.name}' ({field.type}); use one of: {', '.join(known)}"
        raise validation_error(
            "bad_op",
            message + did_you_mean(condition.op, known),
            at="op",
        )


class AllOf(Model):
    """Every part must match."""

    all: tuple[Node, ...] = Field(min_length=1)


class AnyOf(Model):
    """One part must match."""

    any: tuple[Node, ...] = Field(min_length=1)


class Not(Model):
    """The part must not match."""

    negated: Node = Field(alias="not")


Expression = AllOf | AnyOf | Not | Condition
_SHAPES: Final = {AllOf: "<all>", AnyOf: "<any>", Not: "<not>", Condition: "<condition>"}


def _shape(value: object) -> str | None:
    """Which kind of node was meant, so that the errors told are those that help."""
    if isinstance(value, Expression):
        return _SHAPES[type(value)]
    if not isinstance(value, dict):
        return None
    return next((f"<{key}>" for key in ("all", "any", "not") if key in value), "<condition>")


Node = Annotated[
    Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[Not, Tag("<not>")]
    | Annotated[Condition, Tag("<condition>")],
    Discriminator(
        _shape,
        custom_error_type="bad_condition",
        custom_error_message="expected a condition (field, op, value) or a group (all, any, not)",
    ),
]

for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()


def children(node: Expression) -> tuple[Expression, ...]:
    """The nodes directly below a node."""
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
    """All comparisons of a tree, in the order written."""
    if isinstance(node, Condition):
        yield node
    for part in children(node):
        yield from iter_conditions(part)


def depth(node: Expression) -> int:
    """How many groups (all, any) are inside each other; `not` is counted only under another `not`."""
    below = max(map(depth, children(node)), default=0)
    doubled = isinstance(node, Not) and isinstance(node.negated, Not)
    return below + (isinstance(node, AllOf | AnyOf) or doubled)


def check_limits(node: Expression) -> Expression:
    """Refuse a tree beyond the limits that the editor has too."""
    if (count := sum(1 for _ in iter_conditions(node))) > MAX_CONDITIONS:
        raise validation_error(
            "too_many", f"a rule has at most {MAX_CONDITIONS} conditions, this one has {count}"
        )
    if (deep := depth(node)) > MAX_DEPTH:
        raise validation_error("too_deep", f"groups go at most {MAX_DEPTH} deep, here they go {deep} deep")
    return node
