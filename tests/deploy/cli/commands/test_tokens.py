"""`tagger tokens`."""

from __future__ import annotations

import json

import pytest

from service.store.client import RedisClient
from tests.deploy.cli.environment import ORG, CliEnvironment

DAY_MS = 86_400_000


async def test_a_token_is_printed_once_listed_without_its_secret_and_revoked(
    shop: CliEnvironment, redis: RedisClient
) -> None:
    made = await shop.tagger(
        "tokens", "add", "bao-cao", "--role", "viewer", "--shop", ORG, "--expires", "30d"
    )
    secret = made.out.strip()
    listed = await shop.tagger("tokens", "list")
    revoked = await shop.tagger("tokens", "revoke", "bao-cao")
    empty = await shop.tagger("tokens", "list")

    assert made.code == 0, made.err
    assert secret.startswith("tagger_bao-cao_")
    assert "Keep it now: it is not shown again." in made.err
    assert secret not in made.err
    assert "bao-cao" in listed.out
    assert "viewer" in listed.out
    assert ORG in listed.out
    assert secret not in listed.out
    assert revoked.out.strip() == "Token bao-cao is revoked."
    assert "There is no token yet" in empty.out


async def test_a_token_expires_after_a_year_unless_it_says_otherwise(
    shop: CliEnvironment, redis: RedisClient
) -> None:
    seconds, _ = await redis.time()
    for name, options in {"a": [], "b": ["--expires", "never"], "c": ["--expires", "2099-01-01"]}.items():
        assert (await shop.tagger("tokens", "add", name, "--role", "ops", *options)).code == 0

    a, b, c = json.loads((await shop.tagger("tokens", "list", "--json")).out)

    assert 0 <= a["expires_ms"] - seconds * 1000 - 365 * DAY_MS < DAY_MS
    assert (b["expires_ms"], b["shops"], b["used_ms"]) == (None, None, None)
    assert c["expires_ms"] > 4_000_000_000_000


async def test_json_has_the_secret_of_a_new_token(shop: CliEnvironment) -> None:
    made = json.loads((await shop.tagger("tokens", "add", "a", "--role", "owner", "--json")).out)

    assert (made["role"], made["secret"][:9]) == ("owner", "tagger_a_")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["a", "--role", "admin"], 2, "there is no role 'admin': use viewer, marketer, ops, owner"),
        (["a_b", "--role", "ops"], 1, "cannot be the name of a token"),
        (["a", "--role", "ops", "--shop", "42"], 1, "there is no shop 42"),
        (["a", "--role", "ops", "--expires", "2020-01-01"], 1, "would have expired already"),
        (["a", "--role", "ops", "--expires", "soon"], 2, "'soon' is not a time"),
        (["taken", "--role", "ops"], 1, "there is a token 'taken' already"),
    ],
)
async def test_a_wrong_token_is_refused_in_words(
    shop: CliEnvironment, words: list[str], code: int, message: str
) -> None:
    await shop.tagger("tokens", "add", "taken", "--role", "viewer")

    refused = await shop.tagger("tokens", "add", *words)

    assert (refused.code, refused.out) == (code, "")
    assert message in refused.err


async def test_revoking_an_unknown_token_is_refused(shop: CliEnvironment) -> None:
    assert (await shop.tagger("tokens", "revoke", "nobody")).code == 1
