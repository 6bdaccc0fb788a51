"""What rules can be written with, and what the customers of a shop have in a field."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from service.context import Context
from service.domain.access import Role
from service.domain.documents import json_schema, list_fields
from service.locales import translator_for
from service.operations import load_field_values, values_to_dict
from service.web.ops.contract import (
    RULES_PATH,
    Endpoint,
    Language,
    Request,
    RequestModel,
    ResponseModel,
)


class LanguageQuery(RequestModel, frozen=True):
    """The language of labels and descriptions."""

    lang: Language = "vi"


class ValuesQuery(RequestModel, frozen=True):
    """A field, such as `province`."""

    field: Annotated[str, Meta(min_length=1, max_length=64)]


class OperatorModel(ResponseModel, frozen=True):
    """An operator of a field, and what it is compared with."""

    name: str
    meaning: str
    value: str


class FieldModel(ResponseModel, frozen=True):
    """A field that rules can compare. Values of a `personal` one are shown nowhere."""

    name: str
    label: str
    type: str
    personal: bool
    operators: list[OperatorModel]


class FieldList(ResponseModel, frozen=True):
    """Every field, in the order of the documentation. It has no pages: the language is of this version of the service."""

    fields: list[FieldModel]


class SchemaResponse(ResponseModel, frozen=True):
    """The JSON Schema of rules documents."""

    schema: dict[str, Any]


class ValueModel(ResponseModel, frozen=True):
    """A value, and how many customers have it."""

    value: Any
    customers: int


class ValuesResponse(ResponseModel, frozen=True):
    """What customers have in a field, the most frequent first; of amounts, numbers and dates the quartiles instead."""

    field: str
    customers: int
    empty: int
    values: list[ValueModel]
    quartiles: list[Any]


async def list_rule_fields(_: Context, request: Request) -> FieldList:
    """The fields that rules can compare, with their operators."""
    rows = list_fields(translator_for(request.model.lang))
    return FieldList(
        [
            FieldModel(
                row["name"],
                row["label"],
                row["type"],
                row["personal"],
                [OperatorModel(**each) for each in row["operators"]],
            )
            for row in rows
        ]
    )


async def show_rules_schema(_: Context, request: Request) -> SchemaResponse:
    """The JSON Schema of rules documents, for editors."""
    return SchemaResponse(json_schema(translator_for(request.model.lang)))


async def show_field_values(context: Context, request: Request) -> ValuesResponse:
    """What the customers of the shop have in a field, with counts. Personal texts are only counted."""
    shop = await context.shops.get_or_raise(request.org)
    found = values_to_dict(await load_field_values(context, shop, request.model.field))
    values: Any = found["values"]
    return ValuesResponse(**{**found, "values": [ValueModel(**each) for each in values]})  # type: ignore[arg-type]  # plain data


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/ops/v1/rules/fields",
        list_rule_fields,
        FieldList,
        {
            "fields": [
                {
                    "name": "total_spent",
                    "label": "Tổng chi tiêu",
                    "type": "money",
                    "personal": False,
                    "operators": [{"name": "at_least", "meaning": "từ … trở lên", "value": "số tiền"}],
                }
            ]
        },
        LanguageQuery,
        role=Role.VIEWER,
    ),
    Endpoint(
        "GET",
        "/ops/v1/rules/schema",
        show_rules_schema,
        SchemaResponse,
        {"schema": {"type": "object"}},
        LanguageQuery,
        role=Role.VIEWER,
    ),
    Endpoint(
        "GET",
        f"{RULES_PATH}/values",
        show_field_values,
        ValuesResponse,
        {
            "field": "province",
            "customers": 100000,
            "empty": 1200,
            "values": [{"value": "Hà Nội", "customers": 31000}],
            "quartiles": [],
        },
        ValuesQuery,
        cpu_bound=True,
        role=Role.VIEWER,
    ),
)
