"""The condition tree of a rule as authored: all, any, not, and single conditions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import InitErrorDetails

from service.domain.rules.fields import FIELD_SYNONYMS, FIELDS
from service.domain.rules.fields import Field as RecordField
from service.domain.rules.messages import Message, message
from service.domain.rules.operands import InvalidOperand, Operand, OperandType, parse_operand
from service.domain.rules.operators import OPERATOR_SYNONYMS, OPERATORS, Operator
from service.domain.rules.scalars import ConditionValue, Text, closest_match, suggest, validation_error

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
        context = info.context if isinstance(info.context, dict) else {}
        # A condition without a document has no currency: USD accepts the decimals of every usual currency.
        errors = list(_find_errors(self, context.get("currency", "USD")))
        if errors:
            raise ValidationError.from_exception_data("Condition", errors)
        return self


def _find_errors(condition: Condition, currency: str) -> Iterator[InitErrorDetails]:
    """Find all errors of a condition at once. What follows a misspelled name is checked as if it were spelled right."""
    field, op = FIELDS.get(condition.field), condition.op
    if field is None:
        meant = closest_match(condition.field, FIELDS, FIELD_SYNONYMS)
        hint = suggest(meant) if meant else message("use_one_of", names=", ".join(FIELDS))
        yield _error("unknown_field", message("unknown_field", name=condition.field[:80], hint=hint), "field")
        field = FIELDS.get(meant)
        if field is None:
            return
    operators = OPERATORS[field.type]
    if op not in operators:
        meant = closest_match(op, operators, OPERATOR_SYNONYMS)
        yield _error(
            "bad_op",
            message(
                "operator",
                name=op[:80],
                field=field.name,
                type=message(f"type.{field.type}"),
                operators=", ".join(operators),
                hint=suggest(meant),
            ),
            "op",
        )
        op = meant
    if op in operators:
        yield from _find_value_errors(condition, field, operators[op].operand_type, currency)


def _find_value_errors(
    condition: Condition, field: RecordField, operand_type: OperandType, currency: str
) -> Iterator[InitErrorDetails]:
    try:
        parse_operand(operand_type=operand_type, field=field, value=condition.value, currency=currency)
    except InvalidOperand as exc:
        if condition.value is None:
            yield _error("missing", message("value_missing", expected=exc.message))
        else:
            yield _error("bad_value", exc.message, "value")


def _error(kind: str, text: Message, at: str = "") -> InitErrorDetails:
    return InitErrorDetails(type=validation_error(kind, text, at=at), input=None)


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
        custom_error_message="condition",  # the key of the message
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
