"""The tree of a rule's conditions as authored: all, any, not, and comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationInfo, model_validator

from service.domain.authoring import AuthoredValue, Text, wrong
from service.domain.fields import FIELDS
from service.domain.operators import OPERATORS, Operator
from service.domain.problems import did_you_mean
from service.domain.values import BadValue, Compared, Takes, read_value

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
        return OPERATORS[FIELDS[self.field].kind][self.op]

    def compared(self, currency: str) -> Compared:
        """The value as compared; raises BadValue."""
        return read_value(
            takes=self.operator.takes, field=FIELDS[self.field], value=self.value, currency=currency
        )

    @model_validator(mode="after")
    def _fits(self, info: ValidationInfo) -> Condition:
        _check_words(self)
        context = info.context if isinstance(info.context, dict) else {}
        try:
            # Without a document around it the currency is not known; the document looks again.
            self.compared(context.get("currency", "USD"))
        except BadValue as exc:
            missing = self.value is None and self.operator.takes is not Takes.NOTHING
            raise wrong(
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
        raise wrong("unknown_field", f"unknown field '{condition.field}'{near}", at="field")
    known = OPERATORS[field.kind]
    if condition.op not in known:
        message = f"'{condition.op}' cannot be used with '{field.name}' ({field.kind}); use one of: {', '.join(known)}"
        raise wrong(
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


class Negation(Model):
    """The part must not match."""

    negated: Node = Field(alias="not")


Tree = AllOf | AnyOf | Negation | Condition
_SHAPES: Final = {AllOf: "<all>", AnyOf: "<any>", Negation: "<not>", Condition: "<condition>"}


def _shape(value: object) -> str | None:
    """Which kind of node was meant, so that the errors told are those that help."""
    if isinstance(value, Tree):
        return _SHAPES[type(value)]
    if not isinstance(value, dict):
        return None
    return next((f"<{key}>" for key in ("all", "any", "not") if key in value), "<condition>")


Node = Annotated[
    Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[Negation, Tag("<not>")]
    | Annotated[Condition, Tag("<condition>")],
    Discriminator(
        _shape,
        custom_error_type="bad_condition",
        custom_error_message="expected a condition (field, op, value) or a group (all, any, not)",
    ),
]

for _model in (AllOf, AnyOf, Negation):
    _model.model_rebuild()


def parts(node: Tree) -> tuple[Tree, ...]:
    """The nodes directly below a node."""
    match node:
        case AllOf():
            return node.all
        case AnyOf():
            return node.any
        case Negation():
            return (node.negated,)
        case _:
            return ()


def comparisons(node: Tree) -> Iterator[Condition]:
    """All comparisons of a tree, in the order written."""
    if isinstance(node, Condition):
        yield node
    for part in parts(node):
        yield from comparisons(part)


def depth(node: Tree) -> int:
    """How many groups (all, any) are inside each other; `not` is counted only under another `not`."""
    below = max(map(depth, parts(node)), default=0)
    doubled = isinstance(node, Negation) and isinstance(node.negated, Negation)
    return below + (isinstance(node, AllOf | AnyOf) or doubled)


def check_size(node: Tree) -> Tree:
    """Refuse a tree beyond the limits that the editor has too."""
    if (count := sum(1 for _ in comparisons(node))) > MAX_CONDITIONS:
        raise wrong("too_many", f"a rule has at most {MAX_CONDITIONS} conditions, this one has {count}")
    if (deep := depth(node)) > MAX_DEPTH:
        raise wrong("too_deep", f"groups go at most {MAX_DEPTH} deep, here they go {deep} deep")
    return node
