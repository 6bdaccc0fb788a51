"""A token that Haravan does not accept is refused when it is stored over the ops API, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest

from service.domain.customers import OrgId
from service.store.client import keys
from service.store.jobs import last_heartbeat_ms
from tests.support.shop import OPS_TOKEN, ORG
from tests.support.store import all_keys
from tests.support.wait import wait_until
from tests.system.environment import System

NEW = OrgId("1000000077")
HEADERS = {"Authorization": f"Bearer {OPS_TOKEN}"}


@pytest.fixture(autouse=True)
async def a_worker_has_given_a_sign_of_life(system: System) -> None:
    """Without one nobody is asked."""
    await wait_until(lambda: last_heartbeat_ms(system.redis))


def wrong_token(system: System) -> str:
    return "canary-wrong-token"


def of_another_shop(system: System) -> str:
    return system.haravan.token


def without_a_scope(system: System) -> str:
    handle = system.sandbox.add_shop(
        org=NEW, token="canary-new-token", scopes=("com.read_customers", "wh_api")
    )
    return handle.token


def valid(system: System) -> str:
    return system.sandbox.add_shop(org=NEW, token="canary-new-token").token


@pytest.mark.parametrize(
    ("token_of", "detail"),
    [
        pytest.param(wrong_token, "Haravan rejects the token", id="wrong"),
        pytest.param(of_another_shop, f"this token belongs to shop {ORG}", id="another shop"),
        pytest.param(without_a_scope, "lacks the scope com.write_customers", id="no scope"),
    ],
)
async def test_a_shop_is_not_added_with_a_token_that_does_not_fit(
    system: System, token_of: Callable[[System], str], detail: str
) -> None:
    body = {"org": NEW, "token": token_of(system), "api_url": await api_url(system)}
    async with httpx2.AsyncClient(base_url=system.url, headers=HEADERS) as ops:
        refused = await ops.post("/ops/v1/shops", json=body)

    assert (refused.status_code, refused.json()["type"]) == (422, "/ops/problems#token-refused"), refused.text
    assert detail in refused.json()["detail"]
    assert "canary" not in refused.text
    assert not await system.shops.exists(NEW)
    assert await all_keys(system.redis, keys.shop(NEW, "token_*")) == []


async def test_a_shop_is_added_with_its_own_token(system: System) -> None:
    body = {"org": NEW, "token": valid(system), "api_url": await api_url(system)}
    async with httpx2.AsyncClient(base_url=system.url, headers=HEADERS) as ops:
        added = await ops.post("/ops/v1/shops", json=body)

    assert (added.status_code, added.json()["org"]) == (200, NEW), added.text
    assert (await system.shops.get_or_raise(NEW)).token == body["token"]


async def test_a_shop_keeps_its_token_if_the_new_one_is_refused(system: System) -> None:
    path = f"/ops/v1/shops/{ORG}/token"
    async with httpx2.AsyncClient(base_url=system.url, headers=HEADERS) as ops:
        refused = await ops.put(path, json={"token": "canary-wrong-token"})
        system.haravan.replace_token("canary-next-token")
        replaced = await ops.put(path, json={"token": "canary-next-token"})

    assert (refused.status_code, replaced.status_code) == (422, 200), replaced.text
    assert (await system.shops.get_or_raise(ORG)).token == "canary-next-token"


async def test_while_haravan_is_away_nothing_is_stored_unless_it_is_asked_for(system: System) -> None:
    system.haravan.faults.fail(503, rate=1.0)
    path = f"/ops/v1/shops/{ORG}/token"
    async with httpx2.AsyncClient(base_url=system.url, headers=HEADERS) as ops:
        unanswered = await ops.put(path, json={"token": system.haravan.token})
        kept = (await system.shops.get_or_raise(ORG)).token
        stored = await ops.put(path, json={"token": "canary-next-token", "unchecked": True})

    assert (unanswered.status_code, kept) == (503, "system-token")
    assert unanswered.json()["type"] == "/ops/problems#token-unchecked"
    assert unanswered.headers["retry-after"] == "10"
    assert stored.status_code == 200
    assert (await system.shops.get_or_raise(ORG)).token == "canary-next-token"


async def api_url(system: System) -> str:
    return (await system.shops.get_or_raise(ORG)).api_url
