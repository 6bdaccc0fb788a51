"""Tokens: made, shown once, revoked."""

from __future__ import annotations

import re

import pytest

from service.domain.access import Role
from service.store.access import tokens
from service.store.client import RedisClient
from tests.support.shop import ORG
from tests.support.visitors import Visitor

FORM = {"name": "bao-cao", "role": "viewer", "days": "30"}


async def test_a_token_is_shown_once_and_opens_the_api_until_it_is_revoked(
    owner: Visitor, redis: RedisClient
) -> None:
    made = await owner.post("/tokens/new", **FORM, reach="some", shops=ORG)

    [secret] = re.findall(r'value="(tagger_bao-cao_\w+)"', made.text)
    headers = {"Authorization": f"Bearer {secret}"}
    assert (await owner.client.get("/ops/v1/shops", headers=headers)).json()["shops"][0]["org"] == ORG
    assert secret not in (await owner.get("/tokens")).text
    await owner.post("/tokens/bao-cao/revoke")
    assert (await owner.client.get("/ops/v1/shops", headers=headers)).status_code == 401


@pytest.mark.parametrize(("days", "expires"), [("30", True), ("0", False), ("1000000", True), ("x", True)])
async def test_an_expiry_that_is_not_offered_is_the_shortest(
    owner: Visitor, redis: RedisClient, days: str, expires: bool
) -> None:
    await owner.post("/tokens/new", **FORM | {"days": days})

    use = await tokens.find(redis, "bao-cao")
    assert use is not None
    assert bool(use.token.expires_ms) is expires
    assert use.token.role is Role.VIEWER


@pytest.mark.parametrize("fields", [{"name": "a b"}, {"name": ""}, {"reach": "some"}])
async def test_a_wrong_form_makes_none(owner: Visitor, redis: RedisClient, fields: dict[str, str]) -> None:
    answer = await owner.post("/tokens/new", **FORM | fields)

    assert answer.status_code == 422
    assert await tokens.list_all(redis) == []
