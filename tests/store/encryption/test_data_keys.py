"""Data keys are rewrapped one shop at a time, while others use them."""

from __future__ import annotations

from service.domain.customers.customer import OrgId
from service.store.client import RedisClient, keys
from service.store.encryption.data_keys import (
    delete_unreadable,
    list_wrapped,
    new_data_key,
    open_cipher,
    queue_save,
    rewrap,
)
from service.store.encryption.keyring import KeyRing
from tests.support.store import all_keys

ORG, OTHER = OrgId("1000000001"), OrgId("7")
OLD, NEW = KeyRing(["old-key-" * 5]), KeyRing(["new-key-" * 5])
BOTH = KeyRing(["new-key-" * 5, "old-key-" * 5])


async def save(redis: RedisClient, ring: KeyRing, org: OrgId) -> None:
    async with redis.pipeline() as pipe:
        queue_save(pipe, org, new_data_key(ring, org))
        await pipe.execute()


async def stored(redis: RedisClient, org: OrgId) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = await redis.hgetall(keys.shop(org, "data_keys"))
    return found


async def test_a_rewrapped_data_key_is_the_same_key(redis: RedisClient) -> None:
    await save(redis, OLD, ORG)
    sealed = open_cipher(OLD, ORG, await stored(redis, ORG)).seal(b"a value", field="token")

    rewrapped = [await rewrap(redis, BOTH, ORG) for _ in range(2)]

    assert rewrapped == [1, 0]
    assert open_cipher(NEW, ORG, await stored(redis, ORG)).open(sealed, field="token") == b"a value"


async def test_every_shops_data_keys_are_listed_with_the_fingerprint_of_their_wrapping(
    redis: RedisClient,
) -> None:
    await save(redis, OLD, ORG)
    await save(redis, NEW, OTHER)

    listed = await list_wrapped(redis, NEW)

    assert [(row.org, row.fingerprint, row.opens) for row in listed] == [
        (OTHER, NEW.fingerprints[0], True),
        (ORG, OLD.fingerprints[0], False),
    ]


async def test_what_no_key_opens_stays_until_it_is_deleted(redis: RedisClient) -> None:
    await save(redis, OLD, ORG)
    await save(redis, NEW, ORG)

    assert await rewrap(redis, NEW, ORG) == 0
    assert len(await stored(redis, ORG)) == 2

    assert await delete_unreadable(redis, NEW, ORG) == 1
    assert open_cipher(NEW, ORG, await stored(redis, ORG)).can_seal


async def test_a_removed_shop_gets_no_data_key_by_a_rotation(redis: RedisClient) -> None:
    assert await rewrap(redis, BOTH, ORG) == 0
    assert await all_keys(redis, "*") == []
