"""`tagger customers create|update|delete|tag|untag`."""

from __future__ import annotations

import json

from tests.deploy.cli.environment import (
    ORG,
    CliEnvironment,
)


async def test_a_customer_is_made_changed_tagged_and_deleted(shop: CliEnvironment) -> None:
    created = await shop.tagger(
        "customers",
        "create",
        ORG,
        "--file",
        "-",
        "--json",
        stdin='{"first_name": "Ánh", "email": "a@example.com"}',
    )
    person = json.loads(created.out)["id"]

    await shop.tagger("customers", "update", ORG, str(person), "--set", "note=Khách quen")
    tagged = await shop.tagger("customers", "tag", ORG, str(person), "Sỉ", "Bạn")
    untagged = await shop.tagger("customers", "untag", ORG, str(person), "Sỉ", "--json")
    note = shop.haravan.customer(person)["note"]
    deleted = await shop.tagger("customers", "delete", ORG, str(person), "--yes")
    gone = await shop.tagger("customers", "get", ORG, str(person))

    assert note == "Khách quen"
    assert "Sỉ, Bạn" in tagged.out
    assert json.loads(untagged.out)["tags"] == ["Bạn"]
    assert (deleted.code, gone.code) == (0, 4)


async def test_personal_data_in_arguments_is_refused(shop: CliEnvironment) -> None:
    result = await shop.tagger("customers", "create", ORG, "--set", "email=a@example.com")

    assert result.code == 2
    assert "must not be an argument" in result.err
    assert "a@example.com" not in result.err
