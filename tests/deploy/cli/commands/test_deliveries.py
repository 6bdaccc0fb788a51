"""`tagger deliveries` and `tagger dead-letters` of a shop that has none."""

from __future__ import annotations

from tests.deploy.cli.environment import (
    ORG,
    CliEnvironment,
)


async def test_without_deliveries_or_dead_letters_the_lists_say_so(shop: CliEnvironment) -> None:
    deliveries = await shop.tagger("deliveries", ORG)
    letters = await shop.tagger("dead-letters", "list", ORG)

    assert (deliveries.code, deliveries.out.strip()) == (0, "No deliveries in this time.")
    assert (letters.code, letters.out.strip()) == (0, "No open dead letters.")
