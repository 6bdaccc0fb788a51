"""`tagger replay`."""

from __future__ import annotations

import asyncio
import json

import pytest

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys
from service.store.jobs import replays, runs
from tests.deploy.cli.environment import (
    ORG,
    CliEnvironment,
)
from tests.support.wait import wait_until


async def test_what_a_replay_has_counted_is_what_runs(shop: CliEnvironment, redis: RedisClient) -> None:
    first, second, *_ = shop.haravan.ids()
    chosen = f"{first},{second},{first}"

    counted = await shop.tagger("replay", ORG, "--customers", chosen, "--dry-run", "--json")
    run = json.loads(counted.out)
    listed = await shop.tagger("runs", "list", ORG, "--json")
    started = await shop.tagger("replay", ORG, "--run", run["id"], "--reason", "thử", "--json")
    again = await shop.tagger("replay", ORG, "--run", run["id"], "--json")

    assert (run["total"], run["waiting"], run["counted"]) == (2, 2, True)
    assert run["id"] not in {each["id"] for each in json.loads(listed.out)}
    begun = json.loads(started.out)
    assert (begun["id"], begun["total"], begun["counted"], begun["reason"]) == (run["id"], 2, False, "thử")
    assert json.loads(again.out)["started_ms"] == begun["started_ms"]


async def test_a_replay_is_paused_resumed_and_cancelled(shop: CliEnvironment) -> None:
    await shop.tagger("replay", ORG, "--customers", "1,2", "--per-minute", "1")
    listed = await shop.tagger("runs", "list", ORG, "--json")
    run = json.loads(listed.out)[0]["id"]

    paused = await shop.tagger("runs", "pause", ORG, run, "--json")
    resumed = await shop.tagger("runs", "resume", ORG, run, "--json")
    cancelled = await shop.tagger("runs", "cancel", ORG, run, "--json")
    shown = await shop.tagger("runs", "show", ORG, run)
    refused = await shop.tagger("runs", "pause", ORG, run)

    assert json.loads(paused.out)["paused_by"] != ""
    assert (json.loads(resumed.out)["paused_by"], json.loads(resumed.out)["per_minute"]) == ("", 1)
    assert (json.loads(cancelled.out)["ended"], json.loads(cancelled.out)["remaining"]) == ("cancelled", 0)
    assert "cancelled" in shown.out
    assert (refused.code, f"the replay {run} is not active" in refused.err) == (1, True)


async def test_runs_are_listed_by_kind_and_state(shop: CliEnvironment) -> None:
    for customer in ("1", "2"):
        await shop.tagger("replay", ORG, "--customers", customer, "--per-minute", "1", "--json")
    newest, oldest = json.loads((await shop.tagger("runs", "list", ORG, "--kind", "replay", "--json")).out)
    await shop.tagger("runs", "cancel", ORG, newest["id"])

    active = await shop.tagger("runs", "list", ORG, "--active", "--kind", "replay", "--json")
    first = await shop.tagger("runs", "list", ORG, "--limit", "1", "--json")
    wrong = await shop.tagger("runs", "list", ORG, "--kind", "replays")

    assert [each["id"] for each in json.loads(active.out)] == [oldest["id"]]
    assert len(json.loads(first.out)) == 1
    assert (wrong.code, "is no kind of run" in wrong.err) == (2, True)


async def test_a_replay_without_a_selection_is_refused(shop: CliEnvironment) -> None:
    result = await shop.tagger("replay", ORG)

    assert result.code == 1
    assert "say what to replay" in result.err


async def test_unknown_customers_are_named_at_once(
    shop: CliEnvironment, redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker has read the first one and got a 404; the second 404, which confirms it, is ten minutes away."""
    known = shop.haravan.ids()[0]
    await redis.hset(keys.shop(ORG, "snapshots"), str(known), "x")

    async def worker() -> None:
        await wait_until(lambda: redis.zcard(keys.shop(ORG, "runs")))
        [run] = await runs.latest(redis, OrgId(ORG))
        await replays.mark_next(redis, OrgId(ORG), run.id, 1)
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
