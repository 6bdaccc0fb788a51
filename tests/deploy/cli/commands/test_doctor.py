"""`tagger doctor`."""

from __future__ import annotations

import json

import pytest
from arq.connections import ArqRedis

from service.store.jobs.worker_metrics import Counters
from tests.deploy.cli.environment import (
    DEMO_RULES,
    ORG,
    CliEnvironment,
)


async def test_the_doctor_reports_problems_and_how_to_fix_them(shop: CliEnvironment) -> None:
    result = await shop.tagger("doctor", "--json")

    problems = {row["text"] for row in json.loads(result.out) if row["level"] == "problem"}
    assert result.code == 1
    for part in (
        "no worker has run yet",
        "no subscription",
        "no rules yet",
        "DURABILITY=fsync promises",
    ):
        assert any(part in problem for problem in problems), part


async def test_the_doctor_finds_no_problem_with_a_complete_shop(
    shop: CliEnvironment, redis: ArqRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURABILITY", "everysec")  # the tests' store keeps nothing
    monkeypatch.setenv("HARAVAN_WEBHOOK_SECRETS", "secret-1")
    shop.haravan.app(url="https://tagger.example.com/webhooks/haravan")
    await shop.tagger("subscription", "add", ORG)
    await shop.tagger("rules", "publish", ORG, DEMO_RULES)
    await Counters(redis).flush()

    result = await shop.tagger("doctor", ORG)

    assert "✘" not in result.out
    assert result.code == 0
    assert "20 customers" in result.out


async def test_the_doctor_reports_a_revoked_token(shop: CliEnvironment) -> None:
    shop.haravan.replace_token("another-token-now")

    result = await shop.tagger("doctor", ORG)

    assert result.code == 1
    assert "401" in result.out
