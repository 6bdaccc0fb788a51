"""The reference of the rule language, generated from its tables: fields, operators, values and keys, in any language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from service.domain.rules import (
    FIELDS,
    OPERATORS,
    Field,
    FieldType,
    OperandType,
    Operator,
    Rule,
    RuleSet,
    Tier,
    TierLevel,
)
from service.sentence import Words

# Section of the catalog -> the part of a document that its keys describe.
PARTS: Final[Mapping[str, type[BaseModel]]] = {
    "document": RuleSet,
    "rule": Rule,
    "tier": Tier,
    "level": TierLevel,
}
_SHARED: Final[Mapping[str, str]] = {  # keys that mean the same in another part
    **{f"tier.{key}": f"rule.{key}" for key in ("name", "note", "enabled", "when_gone")},
    **{f"level.{key}": f"rule.{key}" for key in ("tag", "when")},
}


def describe_key(part: str, key: str, words: Words) -> str:
    """Say what a key of a document, rule, tier or level is for."""
    return words(f"key.{_SHARED.get(f'{part}.{key}', f'{part}.{key}')}")


def describe_operand(field: Field, operator: Operator, words: Words) -> str:
    """Say what value an operator takes, with an example."""
    kind = operator.operand_type
    if field.name == "gender" and kind in {OperandType.CHOICE, OperandType.CHOICE_LIST}:
        return words("operand.gender" if kind is OperandType.CHOICE else "operand.genders")
    return words(f"operand.{kind}")


def describe_operator(field: Field, operator: Operator, words: Words) -> str:
    """Return the sentence that a condition with this operator becomes."""
    key = f"op.{field.type}.{operator.name}"
    return words(key, field=words(f"field.{field.name}"), value="…", low="…", high="…")


def list_fields(words: Words) -> list[dict[str, Any]]:
    """Return every field with its label, its type and its operators, as plain data."""
    return [
        {
            "name": field.name,
            "label": words(f"field.{field.name}"),
            "type": field.type.value,
            "personal": field.is_personal,
            "operators": [
                {
                    "name": operator.name,
                    "meaning": describe_operator(field, operator, words),
                    "value": describe_operand(field, operator, words),
                }
                for operator in OPERATORS[field.type].values()
            ],
        }
        for field in FIELDS.values()
    ]


def markdown_tables(words: Words) -> str:
    """Return all tables of the rule language as Markdown."""
    tables = [
        _table(
            [words("table.field"), words("table.label"), words("table.type")],
            [
                [f"`{field.name}`", words(f"field.{field.name}"), words(f"error.type.{field.type}")]
                for field in FIELDS.values()
            ],
        )
    ]
    for field_type in FieldType:
        field = next(each for each in FIELDS.values() if each.type is field_type)
        title = words(f"error.type.{field_type}")
        names = ", ".join(f"`{each.name}`" for each in FIELDS.values() if each.type is field_type)
        rows = [
            [
                f"`{operator.name}`",
                describe_operator(field, operator, words),
                describe_operand(field, operator, words),
            ]
            for operator in OPERATORS[field_type].values()
        ]
        headings = [words("table.operator"), words("table.meaning"), words("table.value")]
        tables.append(f"**{title[:1].upper()}{title[1:]}**: {names}\n\n{_table(headings, rows)}")
    for part, model in PARTS.items():
        rows = [
            [f"`{key}`", _default(model, name, words), describe_key(part, key, words)]
            for name, info in model.model_fields.items()
            for key in (info.alias or name,)
        ]
        headings = [words("table.key"), words("table.default"), words("table.meaning")]
        tables.append(f"**{words(f'key.{part}')}**\n\n{_table(headings, rows)}")
    return "\n\n".join(tables) + "\n"


def _default(model: type[BaseModel], name: str, words: Words) -> str:
    info = model.model_fields[name]
    if info.is_required():
        return words("table.required")
    if info.default is None or info.default == ():
        return "–"
    return f"`{str(info.default).lower() if isinstance(info.default, bool) else info.default}`"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '·') for cell in line)} |" for line in lines)
