"""`tagger replay`."""

from __future__ import annotations

import json

from arq.connections import ArqRedis

from service.store.client import keys
from tests.deploy.cli.environment import (
    ORG,
    CliEnvironment,
)


async def test_a_replay_counts_before_it_queues(shop: CliEnvironment, redis: ArqRedis) -> None:
    first, second, *_ = shop.haravan.ids()
    chosen = f"{first},{second},{first}"

    counted = await shop.tagger("replay", ORG, "--customers", chosen, "--dry-run", "--json")
    marked_before = await redis.keys(keys.shop(ORG, "mark:*"))
    started = await shop.tagger("replay", ORG, "--customers", chosen, "--reason", "thử", "--json")

    assert json.loads(counted.out) == {"customers": 2, "dry_run": True}
    assert marked_before == []
    assert json.loads(started.out)["total"] == 2
    assert len(await redis.keys(keys.shop(ORG, "mark:*"))) == 2


async def test_a_replay_without_a_selection_is_refused(shop: CliEnvironment) -> None:
    result = await shop.tagger("replay", ORG)

    assert result.code == 1
    assert "say what to replay" in result.err
