"""A question about a token and its answer are in the store for a minute, and the token is sealed."""

from __future__ import annotations

from service.domain.customers.customer import OrgId
from service.store.client import RedisClient, keys
from service.store.encryption.keyring import KeyRing
from service.store.shops import token_checks
from service.store.shops.model import Shop
from service.store.shops.token_checks import TokenAnswer
from tests.support.store import all_keys

ORG = OrgId("1000000077")
KEYRING = KeyRing(["0123456789abcdef" * 2])
SHOP = Shop(ORG, "Mới", "admin", "https://moi.myharavan.com/admin", "canary-token", reserve=5, shadow=True)


async def test_a_worker_reads_what_was_asked_and_the_answer_comes_back(redis: RedisClient) -> None:
    check = await token_checks.ask(redis, KEYRING, SHOP)
    asked = await token_checks.load_question(redis, KEYRING, ORG, check)
    before = await token_checks.load_answer(redis, ORG, check)
    answer = TokenAnswer(owner=ORG, missing_scopes=("com.write_customers",))
    await token_checks.save_answer(redis, ORG, check, answer)

    assert asked is not None
    assert (asked.token, asked.dialect, asked.api_url) == (SHOP.token, SHOP.dialect, SHOP.api_url)
    assert (asked.reserve, asked.shadow) == (5, True)
    assert (before, await token_checks.load_answer(redis, ORG, check)) == (None, answer)


async def test_the_token_is_sealed_and_all_of_it_is_forgotten(redis: RedisClient) -> None:
    check = await token_checks.ask(redis, KEYRING, SHOP)
    await token_checks.save_answer(redis, ORG, check, TokenAnswer())
    stored = await all_keys(redis, keys.shop(ORG, "token_*"))
    lifetimes = [await redis.ttl(key) for key in stored]
    question = await redis.get(keys.shop(ORG, f"token_check:{check}"))
    await token_checks.forget(redis, ORG, check)

    assert len(stored) == 2
    assert all(0 < seconds <= 60 for seconds in lifetimes)
    assert b"canary" not in question
    assert await all_keys(redis, keys.shop(ORG, "token_*")) == []
    assert await token_checks.load_question(redis, KEYRING, ORG, check) is None
