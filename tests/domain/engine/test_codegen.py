"""Generated code contains nothing that a person wrote, and compares it as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any, NamedTuple
from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer
from service.domain.customers.tags import fold
from service.domain.decisions.decide import decide
from service.domain.decisions.state import EMPTY_STATE
from service.domain.documents.parser import validate_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.engine.facts import Facts
from service.domain.engine.predicates import CompiledCondition, CompiledExpression
from service.domain.rules.fields import FIELDS, FieldType
from service.domain.rules.operands import OperandType
from service.domain.rules.operators import OPERATORS
from service.domain.rules.scalars import find_invisible


def tagged(text: str) -> str:
    """The text without line breaks and other control characters, which a tag cannot have."""
    return "".join(character for character in text if category(character) not in {"Cc", "Zl", "Zp"})


TODAY = 739_000
TAME = "an"
HOSTILE = (
    "'", '"', "'''", '"""', "\\", "\\'", "\n", "a\nimport os", "\r", "#", ";", ":",
    "{", "}", "{}", "{value}", "{fact}", "{0.__class__}", "%s", "%(value)s", "f'{1}'", ")", ") or True or (",
    "'); raise SystemExit #", "__import__('os').abort()", "v0", "v1", "it", "facts", "facts.note", "None", "True",
    "wanted", "return None", "tags", "generated", "never", "lambda: 0", "é", "é", "Đ", "ß", "İ", "ﬁ", "👩‍👩‍👧", "￿",
)  # fmt: skip
TEXTS = st.text(min_size=1, max_size=40).filter(
    lambda text: bool(fold(tagged(text))) and "," not in text and find_invisible(text) is None
)
OURS = {
    *Facts.__struct_fields__, "facts", "today", "it", "day", "tags", "soonest",
    "wanted", "levels", "missing", "unwanted", "matched", "before", "starts_hold", "level", "other",
    "ordinal", "month", "next_month", "month_boundaries", "celebrated",  # of a day
    "append", "isdisjoint", "startswith", "endswith", "tuple", "len", "never", "window_boundary", "next_anniversary", "next_age_change",
}  # fmt: skip


def leaf(field: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "op": op} | ({} if value is None else {"value": value})


def comparisons(text: str) -> Iterator[dict[str, Any]]:
    """Every comparison that may contain a text of a person."""
    for field in FIELDS.values():
        if field.name == "gender":
            continue  # its values are numbers
        for operator in OPERATORS[field.type].values():
            if operator.operand_type in {OperandType.TEXT, OperandType.CHOICE}:
                yield leaf(field.name, operator.name, text)
            elif operator.operand_type is OperandType.CHOICE_LIST:
                yield leaf(field.name, operator.name, [text, "other"])
            elif operator.operand_type is OperandType.TAG_LIST and field.type is FieldType.TAGS:
                yield leaf(field.name, operator.name, [tagged(text), "other"])


def document(text: str) -> dict[str, Any]:
    """Rules and a tier with the text in every possible place, always of the same shape."""
    conditions = [*comparisons(text)]
    some = conditions[::4]  # a rule has fifty at most
    dated = [
        leaf("last_order_date", "within_last", "9 days"),
        leaf("birthday", "today"),
        leaf("age", "is", 9),
    ]
    when = {"any": [{"all": some}, {"not": {"any": some}}, {"all": [leaf("note", "is", text), *dated]}]}
    named = {"name": text, "note": text}
    return {
        "rules": [
            {"id": "r-0", "tag": f"{tagged(text)}0", "when": when, "keep": "9 days"} | named,
            *(
                {"id": f"r{at}", "tag": f"{tagged(text)}{at}", "when": one}
                for at, one in enumerate(conditions, 1)
            ),
        ],
        "tiers": [
            {
                "id": "t",
                "levels": [
                    {"tag": f"{tagged(text)} {at}", "when": one} for at, one in enumerate(conditions[:3])
                ],
            }
            | named
        ],
    }


def nodes(branch: CompiledExpression) -> Iterator[CompiledExpression]:
    yield branch
    if not isinstance(branch, CompiledCondition):
        for part in branch.parts:
            yield from nodes(part)


def functions(compiled: CompiledRules) -> list[FunctionType]:
    """All functions that are generated for a rule set."""
    trees = (*(rule.when for rule in compiled.rules), *(one.when for one in compiled.tiers[0].levels))
    every = [node for tree in trees for node in nodes(tree)]
    next_changes = (
        compiled.next_change,
        *(next_change for _, next_change in compiled.next_change_by_rule),
        *(node.next_change for node in every),
    )
    made = (compiled.build_facts, compiled.fast_path, *next_changes, *(node.matches for node in every))
    return [one for one in made if isinstance(one, FunctionType)]


class Code(NamedTuple):
    """Everything in a function but its bound values."""

    steps: bytes
    names: tuple[str, ...]
    variables: tuple[str, ...]
    constants: tuple[object, ...]


def code(function: FunctionType) -> Code:
    made = function.__code__
    return Code(made.co_code, made.co_names, made.co_varnames, made.co_consts)


CODE = [code(function) for function in functions(compile_rules(validate_rules(document(TAME))))]


def check(text: str) -> None:
    assert [code(function) for function in functions(compile_rules(validate_rules(document(text))))] == CODE


@pytest.mark.parametrize("text", HOSTILE)
def test_the_code_does_not_depend_on_what_a_person_wrote(text: str) -> None:
    check(f"a{text}z")


@given(text=TEXTS)
@settings(max_examples=60, deadline=None)
def test_the_code_does_not_depend_on_any_text(text: str) -> None:
    check(text)


def test_the_code_has_only_our_names_and_no_texts() -> None:
    names = {name for one in CODE for name in (*one.names, *one.variables)}
    constants = {constant for one in CODE for constant in one.constants}

    assert {name for name in names if not (name[0] == "v" and name[1:].isdigit())} <= OURS
    assert {*map(type, constants)} <= {int, type(None)}


def test_generated_functions_have_no_builtins() -> None:
    for function in functions(compile_rules(validate_rules(document(TAME)))):
        assert function.__globals__["__builtins__"] == {}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_compared_as_it_was_written(text: str) -> None:
    written = f"a{text}z"
    customer = Customer(
        id=1, note=f"<{written}>", group=written, province_code=written, tags=(tagged(written),)
    )
    rules = {
        "note": leaf("note", "contains", written),
        "group": leaf("group", "is", written),
        "province": leaf("province", "in", [written]),
        "tags": leaf("tags", "has_all", [tagged(written)]),
        "none": leaf("email", "is", written),
    }
    doc = {
        "rules": [{"id": one, "tag": f"{one} {tagged(text)}!", "when": when} for one, when in rules.items()]
    }

    decision = decide(
        rules=compile_rules(validate_rules(doc)),
        customer=customer,
        state=EMPTY_STATE,
        today=TODAY,
        now_ms=0,
        version=1,
    )

    assert {*map(fold, decision.change.add)} == {
        fold(f"{one} {tagged(text)}!") for one in rules if one != "none"
    }
