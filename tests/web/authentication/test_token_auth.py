"""A request is answered only with a valid token, and an address that guesses is slowed."""

from __future__ import annotations

import httpx2
import pytest
import structlog

from service.domain.access import NewToken, Role, create_token, shell_user
from service.domain.customers import OrgId
from service.settings import Settings
from service.store.access import tokens
from service.store.client import RedisClient
from service.store.shops import ShopRepository
from service.web.authentication.failures import MAX_FAILURES
from tests.support.shop import OPS_TOKEN, ORG
from tests.support.store import count_calls, reset_statistics
from tests.support.web_server import app_client

SHOPS = "/ops/v1/shops"
ELSEWHERE = {"X-Forwarded-For": "203.0.113.7"}


async def add(
    redis: RedisClient,
    *,
    role: Role = Role.VIEWER,
    shops: frozenset[OrgId] | None = None,
    expires_ms: int = 0,
) -> NewToken:
    created = create_token(
        "bao-cao",
        role,
        shops=shops,
        expires_ms=expires_ms,
        by=shell_user("lan"),
        now_ms=1,
        random=b"\x0f" * 32,
    )
    await tokens.add(redis, created.stored)
    return created


async def ask(client: httpx2.AsyncClient, token: str, **headers: str) -> httpx2.Response:
    return await client.get(SHOPS, headers={"Authorization": f"Bearer {token}", **headers})


async def test_a_stored_token_opens_the_api_until_it_is_revoked(
    client: httpx2.AsyncClient, redis: RedisClient
) -> None:
    created = await add(redis)

    assert (await ask(client, created.secret)).status_code == 200
    await tokens.remove(redis, "bao-cao")
    assert (await ask(client, created.secret)).status_code == 401


async def test_an_expired_token_is_refused(client: httpx2.AsyncClient, redis: RedisClient) -> None:
    created = await add(redis, expires_ms=1000)

    refused = await ask(client, created.secret)

    assert refused.status_code == 401
    assert "revoked or expired" in refused.json()["detail"]


async def test_another_secret_with_the_same_name_is_refused(
    client: httpx2.AsyncClient, redis: RedisClient
) -> None:
    await add(redis)

    assert (await ask(client, "tagger_bao-cao_" + "f0" * 32)).status_code == 401


async def test_the_last_use_of_a_token_is_stored(client: httpx2.AsyncClient, redis: RedisClient) -> None:
    created = await add(redis)
    seconds, _ = await redis.time()

    await ask(client, created.secret)

    use = await tokens.find(redis, "bao-cao")
    assert use is not None
    assert use.used_ms // 1000 >= seconds


async def lookups(redis: RedisClient) -> int:
    return (await count_calls(redis))["hget"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [("tagger_nobody_" + "0f" * 32, 2), ("guess", 0), ("tagger_nobody_0f", 0), ("x" * 8000, 0)],
)
async def test_an_unknown_token_costs_one_look_up_at_most(
    client: httpx2.AsyncClient, redis: RedisClient, given: str, expected: int
) -> None:
    await reset_statistics(redis)
    before = await lookups(redis)

    assert (await ask(client, given)).status_code == 401

    assert await lookups(redis) - before == expected  # of the token and of its last use, in one round trip


async def test_an_address_with_many_wrong_tokens_waits_and_others_do_not(
    client: httpx2.AsyncClient, redis: RedisClient
) -> None:
    created = await add(redis)
    statuses = [(await ask(client, f"guess {number}", **ELSEWHERE)).status_code for number in range(30)]
    refused = await ask(client, OPS_TOKEN, **ELSEWHERE)

    assert statuses == [401] * MAX_FAILURES + [429] * (30 - MAX_FAILURES)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert refused.headers["content-type"] == "application/problem+json"
    for token in (created.secret, OPS_TOKEN):
        assert (await ask(client, token)).status_code == 200


async def test_the_address_that_the_proxy_saw_counts_and_not_what_the_client_wrote(
    client: httpx2.AsyncClient,
) -> None:
    statuses = [
        (await ask(client, "guess", **{"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.7"})).status_code
        for number in range(MAX_FAILURES + 1)
    ]

    assert statuses[-1] == 429


async def test_requests_without_a_token_are_refused_and_not_counted(client: httpx2.AsyncClient) -> None:
    for _ in range(2 * MAX_FAILURES):
        assert (await client.get(SHOPS)).status_code == 401

    assert (await ask(client, OPS_TOKEN)).status_code == 200


async def test_many_wrong_tokens_raise_one_alert(settings: Settings, shops: ShopRepository) -> None:
    with structlog.testing.capture_logs() as logged:
        async with app_client(settings) as client:  # its end waits for the alerts
            for number in range(3 * MAX_FAILURES):
                await ask(client, f"guess {number}", **ELSEWHERE)

    alerts = [line for line in logged if line["event"] == "alert"]
    assert [line["kind"] for line in alerts] == ["ops_token_failures"]
    assert "203.0.113.7" in alerts[0]["text"]
    assert not any("guess" in str(line) for line in logged)


async def test_a_token_of_one_shop_lists_only_its_shop(
    client: httpx2.AsyncClient, redis: RedisClient
) -> None:
    created = await add(redis, shops=frozenset({ORG}))

    listed = (await ask(client, created.secret)).json()["shops"]

    assert [shop["org"] for shop in listed] == [ORG]
