"""`tagger replay`."""

from __future__ import annotations

import asyncio
import json

import pytest
from arq.connections import ArqRedis

from service.store.client import keys
from tests.deploy.cli.environment import (
    ORG,
    CliEnvironment,
)
from tests.support.wait import wait_until


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


async def test_unknown_customers_are_named_at_once(
    shop: CliEnvironment, redis: ArqRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker has read the first one and got a 404; the second 404, which confirms it, is ten minutes away."""
    known = shop.haravan.ids()[0]
    await redis.hset(keys.shop(ORG, "snapshots"), str(known), "x")

    async def worker() -> None:
        await wait_until(lambda: redis.exists(keys.shop(ORG, "mark:5")))
        await redis.hset(keys.shop(ORG, "mark:5"), "missing_since_ms", "1")

    answered, result = await asyncio.gather(
        worker(), shop.tagger("replay", ORG, "--customers", "5", "--wait")
    )
    counted = await shop.tagger("replay", ORG, "--customers", f"{known},5", "--dry-run")

    assert answered is None
    assert result.code == 1
    assert "Not known here yet: 5." in result.err
    assert "Haravan does not know these customers (404): 5." in result.err
    assert "Not known here yet: 5." in counted.err
