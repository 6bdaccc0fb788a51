"""Shops: stored with encrypted tokens, created from the environment, paused and resumed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.domain.customers.customer import OrgId
from service.errors import InvalidSettings, MalformedData, NotFound, Refused
from service.store.client import RedisClient, keys
from service.store.encryption.data_keys import rewrap
from service.store.encryption.keyring import KeyRing
from service.store.shops.model import Shop
from service.store.shops.repository import TOKEN_REJECTED, ShopRepository
from tests.support.store import all_keys

OLD, NEW = "old-key-" * 5, "new-key-" * 5
ORG = OrgId("1000000001")
GOM = Shop(org=ORG, name="Nhà Gốm", dialect="omni", api_url="https://apis.haravan.com/com", token="token-one")


@pytest.fixture
def shops(redis: RedisClient) -> ShopRepository:
    return ShopRepository(redis, KeyRing([OLD]))


async def test_an_added_shop_comes_back_as_it_was(shops: ShopRepository) -> None:
    shop = replace(GOM, secret="secret-one", reserve=10, shadow=True, dialect="admin")

    await shops.add(shop)

    assert await shops.get(ORG) == shop


async def test_a_shop_is_added_once(shops: ShopRepository) -> None:
    await shops.add(GOM)

    with pytest.raises(Refused, match="exists already"):
        await shops.add(replace(GOM, token="token-two"))

    assert (await shops.get_or_raise(ORG)).token == "token-one"


@pytest.mark.one_server
async def test_nothing_in_the_store_reads_like_a_token(shops: ShopRepository, redis: RedisClient) -> None:
    await shops.add(replace(GOM, secret="secret-one"))
    await shops.apply_environment(replace(GOM, org=OrgId("7"), token="token-env"))

    stored = b"".join(
        [b"".join((await redis.hgetall(key)).values()) for key in await all_keys(redis, "*shop")]
    )

    assert stored
    assert not any(secret in stored for secret in (b"token-one", b"secret-one", b"token-env"))


def test_a_shop_that_is_printed_shows_neither_token_nor_secret() -> None:
    assert "token-one" not in repr(GOM)
    assert "secret-one" not in repr(replace(GOM, secret="secret-one"))


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("an org with letters", {"org": OrgId("abc")}, "digits only"),
    ("no name", {"name": " "}, "name is empty"),
    ("another dialect", {"dialect": "rest"}, "omni or admin"),
    ("plain http to the world", {"api_url": "http://apis.haravan.com/com"}, "https://"),
    ("no address", {"api_url": "https://"}, "https://"),
    ("no token", {"token": ""}, "token is empty"),
    ("no such zone", {"timezone": "Asia/Saigon2"}, "time zone"),
    ("no zone", {"timezone": ""}, "time zone"),
    ("a folder as zone", {"timezone": "Asia"}, "time zone"),
    ("a path as zone", {"timezone": "../../etc/passwd"}, "time zone"),
    ("a sign as currency", {"currency": "₫"}, "capital letters"),
    ("a reserve that leaves nothing", {"reserve": 80}, "from 0 to 30"),
]


@pytest.mark.parametrize(("fields", "message"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
async def test_a_wrong_field_is_refused_by_name(
    shops: ShopRepository, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refused, match=message):
        await shops.add(replace(GOM, **fields))

    assert await shops.orgs() == ()


async def test_every_wrong_field_is_named_at_once(shops: ShopRepository) -> None:
    with pytest.raises(Refused, match=r"token is empty; .*capital letters"):
        await shops.add(replace(GOM, token="", currency="dong"))


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost", "[::1]:9000", "sandbox:9000"])
async def test_plain_http_is_accepted_for_local_hosts(shops: ShopRepository, host: str) -> None:
    await shops.add(replace(GOM, api_url=f"http://{host}/com"))

    assert await shops.orgs() == (ORG,)


async def test_shops_are_listed_by_their_number(shops: ShopRepository) -> None:
    for org in ("30", "4", "200"):
        await shops.add(replace(GOM, org=OrgId(org)))

    assert await shops.orgs() == ("4", "30", "200")


async def test_an_unknown_shop_is_none(shops: ShopRepository) -> None:
    assert await shops.get(ORG) is None
    with pytest.raises(NotFound):
        await shops.get_or_raise(ORG)


@pytest.mark.one_server
async def test_a_removed_shop_leaves_nothing_behind(shops: ShopRepository, redis: RedisClient) -> None:
    await shops.add(GOM)
    await redis.hset(keys.shop(ORG, "owned"), "7", "x")
    await redis.zadd(keys.partition_key(ORG, "due_shops"), {ORG: 1})

    await shops.remove(ORG, erase=True)

    marks = await all_keys(redis, "*:transaction:*")  # of the addition, for a minute
    assert set(await all_keys(redis, "*")) - {*marks} == {
        keys.partition_key(ORG, "pending").encode(),  # deleted once more in an hour
        keys.partition_key(ORG, "erased_ms").encode(),  # the append-only file is rewritten
        keys.partition_key(ORG, "shops_revision").encode(),
        keys.partition_key(ORG, "erased_ms").encode(),  # the append-only file is rewritten
    }


async def test_a_neighbour_with_a_longer_number_survives_the_removal(
    shops: ShopRepository, redis: RedisClient
) -> None:
    await shops.add(GOM)
    await shops.add(replace(GOM, org=OrgId(ORG + "1")))

    await shops.remove(ORG, erase=True)

    assert await shops.get(OrgId(ORG + "1")) is not None


async def test_a_removal_without_erasure_keeps_the_shops_data(
    shops: ShopRepository, redis: RedisClient
) -> None:
    await shops.add(GOM)
    await redis.hset(keys.shop(ORG, "owned"), "7", "x")

    await shops.remove(ORG, erase=False)

    assert await shops.get(ORG) is None
    assert await redis.hget(keys.shop(ORG, "owned"), "7") == b"x"


async def test_removing_a_shop_that_is_not_there_says_so(shops: ShopRepository) -> None:
    with pytest.raises(NotFound):
        await shops.remove(ORG, erase=False)


# Pauses


async def test_a_pause_has_its_reason_time_and_author(shops: ShopRepository) -> None:
    await shops.add(GOM)

    await shops.pause(ORG, reason="tồn kho", by="lan")

    shop = await shops.get_or_raise(ORG)
    assert (shop.paused, shop.paused_by) == ("tồn kho", "lan")
    assert shop.paused_since_ms > 1_600_000_000_000


async def test_a_second_pause_keeps_the_first_reason(shops: ShopRepository) -> None:
    await shops.add(GOM)
    await shops.pause(ORG, reason="by hand", by="lan")

    await shops.pause(ORG, reason=TOKEN_REJECTED, by="worker")

    assert (await shops.get_or_raise(ORG)).paused == "by hand"


async def test_a_resumed_shop_is_due_at_once(shops: ShopRepository, redis: RedisClient) -> None:
    await shops.add(GOM)
    await shops.pause(ORG, reason="by hand", by="lan")

    await shops.resume(ORG)

    assert (await shops.get_or_raise(ORG)).paused == ""
    assert await redis.zscore(keys.partition_key(ORG, "due_shops"), ORG) is not None


@pytest.mark.parametrize(
    ("reason", "left"),
    [(TOKEN_REJECTED, ""), ("by hand", "by hand")],
    ids=["a refused token: resumed", "by hand: stays"],
)
async def test_a_new_token_ends_only_a_pause_for_the_old_one(
    shops: ShopRepository, reason: str, left: str
) -> None:
    await shops.add(GOM)
    await shops.pause(ORG, reason=reason, by="worker")

    await shops.set_token(ORG, "token-two\n")

    shop = await shops.get_or_raise(ORG)
    assert (shop.token, shop.paused) == ("token-two", left)


async def test_resuming_a_shop_does_not_resume_its_removals(
    shops: ShopRepository, redis: RedisClient
) -> None:
    await shops.add(GOM)
    await redis.hset(keys.shop(ORG, "state"), "removals_paused", "61 removals within an hour")

    await shops.resume(ORG)

    assert (await shops.get_or_raise(ORG)).removals_paused == "61 removals within an hour"


# Keys


async def test_after_a_rotation_the_old_key_is_not_needed(redis: RedisClient, shops: ShopRepository) -> None:
    await shops.add(replace(GOM, secret="secret-one"))

    assert await rewrap(redis, KeyRing([NEW, OLD]), ORG) == 1

    shop = await ShopRepository(redis, KeyRing([NEW])).get_or_raise(ORG)
    assert (shop.token, shop.secret) == ("token-one", "secret-one")


async def test_a_token_sealed_with_a_lost_key_raises_with_the_remedy(
    redis: RedisClient, shops: ShopRepository
) -> None:
    await shops.add(GOM)

    with pytest.raises(MalformedData, match="tagger shops token"):
        await ShopRepository(redis, KeyRing([NEW])).get(ORG)


async def test_after_the_loss_of_a_key_everything_but_the_credentials_can_be_read_and_replaced(
    redis: RedisClient, shops: ShopRepository
) -> None:
    await shops.add(replace(GOM, secret="secret-one"))
    now = ShopRepository(redis, KeyRing([NEW]))

    described = await now.describe(ORG)
    await now.set_token(ORG, "token-two")
    await now.set_secret(ORG, "secret-two")

    assert (described.name, described.token, described.secret) == ("Nhà Gốm", "", "")
    shop = await now.get_or_raise(ORG)
    assert (shop.token, shop.secret) == ("token-two", "secret-two")


async def test_a_command_with_another_key_does_not_take_the_service_its_data_key(
    redis: RedisClient, shops: ShopRepository
) -> None:
    await shops.add(replace(GOM, secret="secret-one"))

    await ShopRepository(redis, KeyRing([NEW])).set_token(ORG, "token-two")
    await shops.set_token(ORG, "token-three")

    shop = await shops.get_or_raise(ORG)
    assert (shop.token, shop.secret) == ("token-three", "secret-one")


@pytest.mark.parametrize(("source", "target"), [("secret", "token"), ("token", "secret")])
async def test_a_sealed_value_does_not_open_in_another_field(
    redis: RedisClient, shops: ShopRepository, source: str, target: str
) -> None:
    await shops.add(replace(GOM, secret="secret-one"))
    key = keys.shop(ORG, "shop")

    await redis.hset(key, target, await redis.hget(key, source))

    with pytest.raises(MalformedData, match="copied from another place"):
        await shops.get(ORG)


async def test_neither_a_sealed_value_nor_its_data_key_opens_in_another_shop(
    redis: RedisClient, shops: ShopRepository
) -> None:
    other = OrgId("7")
    await shops.add(GOM)
    await shops.add(replace(GOM, org=other))

    await redis.hset(keys.shop(other, "shop"), "token", await redis.hget(keys.shop(ORG, "shop"), "token"))
    await redis.hset(keys.shop(other, "data_keys"), mapping=await redis.hgetall(keys.shop(ORG, "data_keys")))

    with pytest.raises(MalformedData):
        await shops.get(other)


async def test_a_removal_destroys_the_data_key_and_keeps_it_with_the_data(
    redis: RedisClient, shops: ShopRepository
) -> None:
    await shops.add(GOM)

    await shops.remove(ORG, erase=False)
    kept = await redis.hgetall(keys.shop(ORG, "data_keys"))
    await shops.add(GOM)
    await shops.remove(ORG, erase=True)

    assert len(kept) == 1
    assert await redis.exists(keys.shop(ORG, "data_keys")) == 0


async def test_without_a_key_no_token_is_stored(redis: RedisClient) -> None:
    with pytest.raises(InvalidSettings, match="SECRET_KEY"):
        await ShopRepository(redis, KeyRing([])).add(GOM)

    assert await all_keys(redis, "*") == []
