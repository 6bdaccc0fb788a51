"""An access token is judged by what Haravan says about it, and a request waits for a worker only as long as it may."""

from __future__ import annotations

import pytest

from service.context import Context
from service.errors import TokenRefused, TokenUnchecked
from service.operations import token_checks
from service.operations.token_checks import AskAboutToken, ask_worker, check_token
from service.store.client import RedisClient, keys
from service.store.encryption.keyring import KeyRing
from service.store.jobs import Counters
from service.store.rules import Versions
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from service.store.shops.token_checks import TokenAnswer
from tests.support.shop import KEY, ORG, OTHER_ORG
from tests.support.store import all_keys

SHOP = Shop(ORG, "Một", "omni", "https://apis.haravan.com/com", "canary-token")


@pytest.fixture
def context(redis: RedisClient) -> Context:
    """What the operations need."""
    return Context(redis, ShopRepository(redis, KeyRing([KEY])), Versions(redis))


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        pytest.param(
            TokenAnswer(owner=OTHER_ORG), TokenRefused, "belongs to shop 1000000002", id="another shop"
        ),
        pytest.param(TokenAnswer(rejected="401"), TokenRefused, "rejects the token: 401", id="not valid"),
        pytest.param(
            TokenAnswer(owner=ORG, missing_scopes=("com.write_customers",)),
            TokenRefused,
            "lacks the scope com.write_customers",
            id="no scope",
        ),
        pytest.param(
            TokenAnswer(unanswered="timeout"), TokenUnchecked, "not be checked: timeout", id="no answer"
        ),
    ],
)
async def test_a_token_that_does_not_fit_is_refused(
    answer: TokenAnswer, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        await check_token(_saying(answer), SHOP)


@pytest.mark.parametrize("owner", [ORG, ""])
async def test_a_token_that_fits_is_accepted_also_if_the_api_does_not_name_its_shop(owner: str) -> None:
    await check_token(_saying(TokenAnswer(owner=owner)), SHOP)


async def test_without_a_worker_nobody_waits(context: Context, redis: RedisClient) -> None:
    with pytest.raises(TokenUnchecked, match="no worker runs"):
        await ask_worker(context)(SHOP)

    assert await all_keys(redis, keys.shop(ORG, "token_*")) == []


async def test_a_worker_that_does_not_answer_is_waited_for_no_longer_than_allowed(
    context: Context, redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_checks, "ANSWER_TIMEOUT_S", 0.2)
    await Counters(redis).flush()  # a heartbeat

    with pytest.raises(TokenUnchecked, match="no worker has answered"):
        await ask_worker(context)(SHOP)

    assert await all_keys(redis, keys.shop(ORG, "token_*")) == []


def _saying(answer: TokenAnswer) -> AskAboutToken:
    async def ask(_: Shop) -> TokenAnswer:
        return answer

    return ask
