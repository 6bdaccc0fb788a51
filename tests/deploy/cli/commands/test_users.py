"""`tagger users`."""

from __future__ import annotations

import json

import pytest

from service.domain.access import parse_secret
from service.store.access import sessions
from service.store.client import RedisClient
from tests.deploy.cli.environment import ORG, CliEnvironment

ADD = ("users", "add", "lan", "--email", "lan@example.com", "--role", "owner")


async def test_a_user_gets_a_link_is_listed_without_a_secret_and_removed(
    shop: CliEnvironment, redis: RedisClient
) -> None:
    first = await shop.tagger(*ADD, "--url", "https://tagger.example.com/")
    second = await shop.tagger(
        "users", "add", "an", "--email", "an@example.com", "--role", "marketer", "--shop", ORG
    )
    listed = await shop.tagger("users", "list")
    removed = await shop.tagger("users", "remove", "an")

    assert first.code == 0, first.err
    base, _, key = first.out.strip().partition("?key=")
    secret = parse_secret(key)
    assert base == "https://tagger.example.com/sign-in"
    assert secret is not None
    assert await sessions.use_link(redis, secret)
    assert key not in first.err + listed.out
    assert second.out.startswith("http://127.0.0.1:8000/sign-in?key=an_")
    assert "not chosen yet" in listed.out
    assert ORG in listed.out
    assert removed.out.strip() == "User an is removed."


async def test_a_new_link_replaces_the_earlier_one(shop: CliEnvironment, redis: RedisClient) -> None:
    await shop.tagger(*ADD)
    old, new = [
        (await shop.tagger("users", "link", "lan")).out.strip().partition("?key=")[2] for _ in range(2)
    ]

    for key, is_valid in ((old, False), (new, True)):
        secret = parse_secret(key)
        assert secret is not None
        assert await sessions.use_link(redis, secret) is is_valid


async def test_json_has_no_password(shop: CliEnvironment) -> None:
    await shop.tagger(*ADD)

    [user] = json.loads((await shop.tagger("users", "list", "--json")).out)

    assert (user["name"], user["role"], user["shops"], user["has_password"]) == ("lan", "owner", None, False)
    assert "password" not in user


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "--email", "a@example.com", "--role", "admin"], "there is no role 'admin'"),
        (["a b", "--email", "a@example.com", "--role", "ops"], "the name has up to 40 letters"),
        (["a", "--email", "a", "--role", "ops"], "this is not an e-mail address"),
        (["a", "--email", "a@example.com", "--role", "ops", "--shop", "42"], "there is no shop 42"),
        (["lan", "--email", "a@example.com", "--role", "ops"], "there is a user 'lan' already"),
    ],
)
async def test_a_wrong_user_is_refused_in_words(shop: CliEnvironment, words: list[str], message: str) -> None:
    await shop.tagger(*ADD)

    refused = await shop.tagger("users", "add", *words)

    assert (refused.code, refused.out) == (2 if "admin" in words else 1, "")  # 2: wrong usage
    assert message in refused.err


async def test_the_last_owner_is_not_removed(shop: CliEnvironment) -> None:
    await shop.tagger(*ADD)

    assert (await shop.tagger("users", "list")).code == 0
    assert (await shop.tagger("users", "remove", "nobody")).code == 1
    assert (await shop.tagger("users", "link", "nobody")).code == 1
