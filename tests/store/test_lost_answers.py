"""A server executes a transaction and is lost before it says so: the caller knows its own work, and does it once."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from service.domain.access import Role, User
from service.domain.customers import OrgId
from service.store import working_copies
from service.store.access import users
from service.store.client import RedisClient
from service.store.encryption.keyring import KeyRing
from service.store.servers.errors import NoReplicas
from service.store.servers.pipeline import Pipeline
from service.store.shops import Shop, ShopRepository
from service.store.working_copies import WorkingCopy

ORG = OrgId("1000000001")
SHOP = Shop(
    org=ORG, name="Nhà Gốm", dialect="omni", api_url="https://apis.haravan.com/com", token="token-one"
)
EMPTY = WorkingCopy(document={"rules": []}, parent=1)
FIRST, SECOND = (WorkingCopy(document={"rules": [n]}, rev=n, parent=1, by="lan", at_ms=n) for n in (1, 2))


@pytest.fixture
def shops(redis: RedisClient) -> ShopRepository:
    return ShopRepository(redis, KeyRing(["a-key-of-the-tests-" * 3]))


@pytest.fixture(params=["executed", "refused"])
def _interrupted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next transaction is executed and its answer lost, or it is refused because no replica is connected."""
    commit, interrupted = Pipeline.commit, False

    async def commit_once(pipe: Pipeline) -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            if request.param == "refused":
                raise NoReplicas("NOREPLICAS Not enough good replicas to write.")
            await commit(pipe)
            raise RedisConnectionError("the server closed the connection")
        await commit(pipe)

    monkeypatch.setattr(Pipeline, "commit", commit_once)


@pytest.mark.usefixtures("_interrupted")
async def test_a_shop_is_added_and_not_said_to_exist(shops: ShopRepository) -> None:
    await shops.add(SHOP)

    assert await shops.get(ORG) == SHOP


@pytest.mark.usefixtures("_interrupted")
async def test_the_shop_of_the_environment_is_created(shops: ShopRepository) -> None:
    assert (await shops.apply_environment(SHOP)).org == ORG
    assert (await shops.get_or_raise(ORG)).token == SHOP.token


@pytest.mark.usefixtures("_interrupted")
async def test_a_draft_is_saved_and_no_conflict_is_reported(redis: RedisClient) -> None:
    assert await working_copies.save(redis, ORG, FIRST, before=EMPTY)

    assert await working_copies.load(redis, ORG) == FIRST
    assert await working_copies.count_steps(redis, ORG) == (1, 0)


@pytest.fixture
async def _two_saves(redis: RedisClient) -> None:
    await working_copies.save(redis, ORG, FIRST, before=EMPTY)
    await working_copies.save(redis, ORG, SECOND, before=FIRST)


@pytest.mark.usefixtures("_two_saves", "_interrupted")
async def test_one_step_is_undone(redis: RedisClient) -> None:
    restored = await working_copies.undo(redis, ORG, by="lan", at_ms=3)

    assert restored is not None
    assert restored.document == FIRST.document
    assert await working_copies.count_steps(redis, ORG) == (1, 1)


@pytest.mark.usefixtures("_interrupted")
async def test_a_user_is_stored(redis: RedisClient) -> None:
    user = User("lan", "lan@example.com", Role.OWNER, 1, "test", None, "")

    await users.change(redis, lambda known: {} if "lan" in known else {"lan": user})

    assert await users.find(redis, "lan") == user
