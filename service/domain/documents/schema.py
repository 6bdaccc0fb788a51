"""The JSON Schema of rule documents, for editors: completion, descriptions, and most errors while typing."""

from __future__ import annotations

from typing import Any, Final

from service.domain.documents.reference import describe_key, describe_operand, describe_operator
from service.domain.rules import FIELDS, OPERATORS, Field, FieldType, OperandType, Operator, RuleSet
from service.sentence import Words

Schema = dict[str, Any]
_NUMBER: Final[Schema] = {"type": "number"}
_INTEGER: Final[Schema] = {"type": "integer"}
_TEXT: Final[Schema] = {"type": "string", "maxLength": 200}
_MONTHS: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 12}
_DURATION: Final[Schema] = {"type": "string", "pattern": r"^\s*[0-9][0-9_]*\s*\D+$"}
_GENDER: Final[Schema] = {"enum": ["male", "female", "nam", "nữ", 1, 0]}
_OPERANDS: Final[dict[OperandType, Schema]] = {
    OperandType.MONEY: _NUMBER,
    OperandType.MONEY_RANGE: {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
    OperandType.INTEGER: _INTEGER,
    OperandType.INTEGER_RANGE: {"type": "array", "items": _INTEGER, "minItems": 2, "maxItems": 2},
    OperandType.DURATION: _DURATION,
    OperandType.DATE: {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
    OperandType.MONTH: _MONTHS,
    OperandType.BOOLEAN: {"type": "boolean"},
    OperandType.CHOICE: _TEXT,
    OperandType.CHOICE_LIST: {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 200},
    OperandType.TEXT: _TEXT,
    OperandType.TAG_LIST: {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 200},
}
_PARTS: Final = {"Rule": "rule", "Tier": "tier", "TierLevel": "level"}


def json_schema(words: Words) -> Schema:
    """Return the schema (draft 2020-12), with descriptions in the language of `words`.

    The structure comes from the models, the conditions from the tables of fields and operators.
    """
    schema = RuleSet.model_json_schema(mode="validation")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "haravan-tagger rules"
    schema["description"] = words("key.document")
    _describe(schema, "document", words)
    definitions: dict[str, Schema] = schema["$defs"]
    for name, part in _PARTS.items():
        definitions[name]["description"] = words(f"key.{part}")
        _describe(definitions[name], part, words)
    for name, key in (("AllOf", "all"), ("AnyOf", "any"), ("Not", "not")):
        definitions[name]["description"] = words(f"key.group.{key}")
        definitions[name]["properties"][key]["description"] = words(f"key.group.{key}")
    for language in ("vi", "en"):
        definitions["LocalizedName"]["properties"][language]["description"] = words(f"key.name.{language}")
    definitions["LocalizedName"]["description"] = words("key.rule.name")
    definitions["DowngradeAfter"]["description"] = words("key.tier.downgrade")
    definitions["DowngradeAfter"]["properties"]["after"]["description"] = words("key.tier.downgrade.after")
    definitions["Condition"] = _condition(words)
    return schema


def _describe(schema: Schema, part: str, words: Words) -> None:
    for key, property_schema in schema["properties"].items():
        property_schema["description"] = describe_key(part, key, words)


def _condition(words: Words) -> Schema:
    """A condition: the operators depend on the field, and the value depends on the operator."""
    return {
        "title": "Condition",
        "description": words("key.rule.when"),
        "type": "object",
        "additionalProperties": False,
        "required": ["field", "op"],
        "properties": {
            "field": {
                "description": words("key.condition.field"),
                "oneOf": [{"const": name, "description": words(f"field.{name}")} for name in FIELDS],
            },
            "op": {"description": words("key.condition.op"), "type": "string"},
            "value": {"description": words("key.condition.value")},
        },
        "allOf": [_fields_of(field_type, words) for field_type in FieldType],
    }


def _fields_of(field_type: FieldType, words: Words) -> Schema:
    """The operators of all fields of a type; a gender has other values than other choices."""
    fields = [field for field in FIELDS.values() if field.type is field_type]
    operators = OPERATORS[field_type].values()
    return {
        "if": {"properties": {"field": {"enum": [field.name for field in fields]}}},
        "then": {
            "properties": {
                "op": {
                    "oneOf": [
                        {"const": operator.name, "description": describe_operator(fields[0], operator, words)}
                        for operator in operators
                    ]
                }
            },
            "allOf": [_value_of(fields, operator, words) for operator in operators],
        },
    }


def _value_of(fields: list[Field], operator: Operator, words: Words) -> Schema:
    condition = {"properties": {"op": {"const": operator.name}}, "required": ["op"]}
    if operator.operand_type is OperandType.NONE:
        return {"if": condition, "then": {"properties": {"value": {"type": "null"}}}}
    value: Schema = {
        **_OPERANDS[operator.operand_type],
        "description": describe_operand(fields[0], operator, words),
    }
    if operator.operand_type is OperandType.CHOICE:
        value = {"anyOf": [_TEXT, _GENDER], "description": value["description"]}
    elif operator.operand_type is OperandType.CHOICE_LIST:
        value["items"] = {"anyOf": [_TEXT, _GENDER]}
    return {"if": condition, "then": {"properties": {"value": value}, "required": ["value"]}}
