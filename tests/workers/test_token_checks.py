"""A worker asks the sandbox about a token, and says what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from service.store.jobs.shared_metrics import Counters
from service.store.queue.rate_limiter import RateLimiter
from service.store.shops import token_checks
from service.store.shops.model import Shop
from service.store.shops.token_checks import TokenAnswer
from tests.workers.stage import ORG, Stage
from workers.haravan.client import open_session
from workers.token_checks import TokenChecks

Change = Callable[[Stage], object]


@pytest.fixture
async def checks(stage: Stage) -> AsyncIterator[TokenChecks]:
    """The job of a worker beside the test shop."""
    async with open_session() as session:
        yield TokenChecks(stage.context, session, RateLimiter(stage.redis), Counters(stage.redis))


async def answer_about(stage: Stage, checks: TokenChecks, shop: Shop) -> TokenAnswer | None:
    check = await token_checks.ask(stage.redis, stage.shops.keyring, shop)
    await checks(ORG, check)
    return await token_checks.load_answer(stage.redis, ORG, check)


def without_write(stage: Stage) -> None:
    scopes = stage.haravan.shop.scopes
    stage.haravan.shop.scopes = tuple(scope for scope in scopes if scope != "com.write_customers")


async def test_a_valid_token_is_of_its_shop_and_lacks_nothing(stage: Stage, checks: TokenChecks) -> None:
    shop = await stage.shops.get_or_raise(ORG)

    assert await answer_about(stage, checks, shop) == TokenAnswer(owner=ORG)


async def test_a_missing_scope_is_named_unless_nothing_would_be_written(
    stage: Stage, checks: TokenChecks
) -> None:
    without_write(stage)
    shop = await stage.shops.get_or_raise(ORG)

    lacking = await answer_about(stage, checks, shop)
    in_shadow = await answer_about(stage, checks, replace(shop, shadow=True))

    assert lacking == TokenAnswer(owner=ORG, missing_scopes=("com.write_customers",))
    assert in_shadow == TokenAnswer(owner=ORG)


async def test_a_wrong_token_is_rejected(stage: Stage, checks: TokenChecks) -> None:
    shop = await stage.shops.get_or_raise(ORG)

    answer = await answer_about(stage, checks, replace(shop, token="wrong"))

    assert answer is not None
    assert "401" in answer.rejected
    assert "wrong" not in answer.rejected


async def test_a_failing_haravan_is_no_answer(stage: Stage, checks: TokenChecks) -> None:
    stage.haravan.faults.fail(503, rate=1.0)
    shop = await stage.shops.get_or_raise(ORG)

    answer = await answer_about(stage, checks, shop)

    assert answer is not None
    assert (answer.rejected, "503" in answer.unanswered) == ("", True)


async def test_nobody_is_asked_if_nobody_waits(stage: Stage, checks: TokenChecks) -> None:
    before = stage.haravan.calls.count()

    await checks(ORG, "gone")

    assert stage.haravan.calls.count() == before
