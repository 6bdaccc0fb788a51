"""A server executes a transaction and is lost before it says so: the caller knows its own work, and does it once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from service.domain.access import Role, Token, User, UserSecret, create_secret
from service.domain.customers import OrgId
from service.domain.events import Endpoint, EndpointState, SealedSecret, rotated
from service.domain.rules import RuleSet
from service.errors import Refused
from service.store import working_copies
from service.store.access import answers, sessions, tokens, users
from service.store.access.answers import Answer
from service.store.client import RedisClient, keys
from service.store.encryption.keyring import KeyRing
from service.store.events import endpoints
from service.store.rules import Versions
from service.store.servers.errors import NoReplicas
from service.store.servers.pipeline import Pipeline
from service.store.shops import Shop, ShopRepository
from service.store.working_copies import WorkingCopy

ORG = OrgId("1000000001")
SHOP = Shop(
    org=ORG, name="Nhà Gốm", dialect="omni", api_url="https://apis.haravan.com/com", token="token-one"
)
ENDPOINT = Endpoint(
    id="E1",
    url="https://example.com",
    events=("rules.published",),
    secrets=(SealedSecret(b"old"),),
    by="lan",
    created_ms=1,
)
EFFECTS = keys.shop(ORG, "effects")
EMPTY = WorkingCopy(document={"rules": []}, parent=1)
FIRST, SECOND = (WorkingCopy(document={"rules": [n]}, rev=n, parent=1, by="lan", at_ms=n) for n in (1, 2))


@pytest.fixture
def shops(redis: RedisClient) -> ShopRepository:
    return ShopRepository(redis, KeyRing(["a-key-of-the-tests-" * 3]))


@pytest.fixture(params=["executed", "lost", "refused"])
def _interrupted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next transaction is executed and its answer lost, or it is lost itself, or no replica is connected."""
    commit, interrupted = Pipeline.commit, False

    async def commit_once(pipe: Pipeline, *args: Any) -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            if request.param == "refused":
                raise NoReplicas("NOREPLICAS Not enough good replicas to write.")
            if request.param == "executed":
                await commit(pipe, *args)
            raise RedisConnectionError("the server closed the connection")
        await commit(pipe, *args)

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
async def test_a_user_is_added_and_not_said_to_exist(redis: RedisClient) -> None:
    user = User("lan", "lan@example.com", Role.OWNER, 1, "test", None, "")

    def add(known: dict[str, User]) -> dict[str, User | None]:
        if "lan" in known:
            raise Refused("there is a user of this name")
        return {"lan": user}

    await users.change(redis, add)

    assert await users.find(redis, "lan") == user


@pytest.mark.usefixtures("_interrupted")
async def test_rules_are_published_once_and_no_conflict_is_reported(redis: RedisClient) -> None:
    versions = Versions(redis)
    version = await versions.publish(
        ORG, RuleSet(), author="lan", parent=0, extend=lambda pipe, _: pipe.rpush(EFFECTS, 1)
    )

    assert await versions.history(ORG) == (version,)
    assert await redis.xlen(keys.shop(ORG, "notices")) == 1
    assert await redis.llen(EFFECTS) == 1


@pytest.fixture
async def _shop(shops: ShopRepository) -> None:
    await shops.add(SHOP)


@pytest.mark.usefixtures("_shop", "_interrupted")
async def test_shadow_mode_ends_once(shops: ShopRepository, redis: RedisClient) -> None:
    await shops.set_shadow(ORG, shadow=False, extend=lambda pipe: pipe.rpush(EFFECTS, 1))

    assert await redis.llen(EFFECTS) == 1


@pytest.fixture
async def _uninstalled(shops: ShopRepository, redis: RedisClient) -> None:
    await shops.add(SHOP)
    await redis.hset(keys.shop(ORG, "state"), "uninstall_reported_ms", 1)


@pytest.mark.usefixtures("_uninstalled", "_interrupted")
async def test_an_uninstalled_shop_is_removed_and_not_said_to_have_changed(shops: ShopRepository) -> None:
    assert await shops.remove_uninstalled(ORG, token=SHOP.token, now_ms=2)

    assert not await shops.exists(ORG)


@pytest.fixture
async def _endpoint(shops: ShopRepository, redis: RedisClient) -> None:
    await shops.add(SHOP)
    await endpoints.add(redis, ORG, ENDPOINT, EndpointState())


@pytest.mark.usefixtures("_endpoint", "_interrupted")
async def test_a_secret_is_rotated_once_so_the_former_one_still_signs(redis: RedisClient) -> None:
    assert await endpoints.change(
        redis, ORG, ENDPOINT.id, lambda stored, state: (rotated(stored, b"new", now_ms=1), state)
    )

    changed, _ = await endpoints.get(redis, ORG, ENDPOINT.id)
    assert [each.sealed for each in changed.secrets] == [b"new", b"old"]


@pytest.mark.usefixtures("_endpoint", "_interrupted")
async def test_an_endpoint_is_removed_and_not_said_to_be_unknown(redis: RedisClient) -> None:
    await endpoints.remove(redis, ORG, ENDPOINT.id)

    assert await endpoints.list_all(redis, ORG) == []


@pytest.mark.usefixtures("_interrupted")
async def test_a_token_is_added_and_its_name_not_said_to_be_taken(redis: RedisClient) -> None:
    token = Token(name="robot", digest="digest", role=Role.OPS, created_ms=1, created_by="lan")
    assert await tokens.add(redis, token)
    assert not await tokens.add(redis, token)


@pytest.fixture
async def link(redis: RedisClient) -> UserSecret:
    secret = create_secret("lan", random=bytes(32))
    await sessions.add_link(redis, secret)
    return secret


@pytest.mark.usefixtures("link", "_interrupted")
async def test_a_link_is_used_once(redis: RedisClient, link: UserSecret) -> None:
    assert await sessions.use_link(redis, link)
    assert not await sessions.use_link(redis, link)


@pytest.mark.usefixtures("_interrupted")
async def test_a_request_is_the_first_with_its_key_and_not_said_to_be_in_progress(redis: RedisClient) -> None:
    assert await answers.begin(redis, "robot", "digest", b"request", now_ms=1) is None
    assert await answers.begin(redis, "robot", "digest", b"request", now_ms=1) == Answer(b"request")


@pytest.mark.usefixtures("_shop", "_interrupted")
async def test_the_last_endpoint_that_a_shop_may_have_is_added(redis: RedisClient) -> None:
    await endpoints.add(redis, ORG, ENDPOINT, EndpointState())

    assert await endpoints.list_all(redis, ORG) == [(ENDPOINT, EndpointState())]


async def test_a_save_that_is_lost_before_somebody_else_saves_is_a_conflict(
    redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, theirs = Pipeline.commit, msgspec.structs.replace(FIRST, by="minh")

    async def lose(_: Pipeline, *__: Any) -> None:
        monkeypatch.setattr(Pipeline, "commit", commit)
        assert await working_copies.save(redis, ORG, theirs, before=EMPTY)
        raise RedisConnectionError("the server closed the connection")

    monkeypatch.setattr(Pipeline, "commit", lose)
    assert not await working_copies.save(redis, ORG, FIRST, before=EMPTY)

    assert await working_copies.load(redis, ORG) == theirs
    assert await working_copies.count_steps(redis, ORG) == (1, 0)


async def test_work_is_known_after_somebody_else_has_gone_on_with_it(
    redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Pipeline.commit

    async def lose_answer(pipe: Pipeline, *args: Any) -> None:
        monkeypatch.setattr(Pipeline, "commit", commit)
        await commit(pipe, *args)
        assert await working_copies.save(redis, ORG, SECOND, before=FIRST)
        raise RedisConnectionError("the server closed the connection")

    monkeypatch.setattr(Pipeline, "commit", lose_answer)
    assert await working_copies.save(redis, ORG, FIRST, before=EMPTY)

    assert await working_copies.load(redis, ORG) == SECOND
    assert await working_copies.count_steps(redis, ORG) == (2, 0)
