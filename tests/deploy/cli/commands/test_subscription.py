"""`tagger subscription`."""

from __future__ import annotations

from tests.deploy.cli.environment import (
    ORG,
    CliEnvironment,
)


async def test_a_subscription_is_added_listed_and_removed(shop: CliEnvironment) -> None:
    shop.haravan.app(url="https://tagger.example.com/webhooks/haravan")

    before = await shop.tagger("subscription", "status", ORG)
    await shop.tagger("subscription", "add", ORG)
    subscribed = await shop.tagger("subscription", "status", ORG)
    await shop.tagger("subscription", "remove", ORG)

    assert (before.code, subscribed.code) == (1, 0)
    assert "customers/update" in subscribed.out
    assert not shop.haravan.subscriptions
