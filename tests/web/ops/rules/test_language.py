"""What rules can be written with, over the ops API."""

from __future__ import annotations

import httpx2

from service.domain.rules import FIELDS
from tests.web.ops.conftest import get


async def test_fields_and_schema_are_those_of_the_program(ops: httpx2.AsyncClient) -> None:
    fields = (await ops.get("/ops/v1/rules/fields", params={"lang": "en"})).json()["fields"]
    schema = (await ops.get("/ops/v1/rules/schema")).json()["schema"]

    assert [field["name"] for field in fields] == list(FIELDS)
    assert "rules" in schema["properties"]


async def test_the_values_of_a_field_are_counted(rules_ops: httpx2.AsyncClient) -> None:
    tags = await get(rules_ops, "rules/values", field="tags")
    spent = await get(rules_ops, "rules/values", field="total_spent")
    unknown = await get(rules_ops, "rules/values", field="spent", status=404)

    assert (tags["customers"], spent["customers"], len(spent["quartiles"])) == (3, 3, 5)
    assert {"value": "Khách sỉ", "customers": 1} in tags["values"]
    assert "there is no field" in unknown["detail"]
