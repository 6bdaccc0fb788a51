"""The data keys of shops: created with the shop, rewrapped with a new SECRET_KEY, destroyed with the shop's data.

A shop usually has one. It gets a second one if a value must be sealed while no key of SECRET_KEY opens the first: the
first stays, because its SECRET_KEY may come back.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from service.domain.customers import OrgId
from service.store.client import SCAN_COUNT, RedisClient, keys
from service.store.encryption.cipher import ID_BYTES, ShopCipher
from service.store.encryption.keyring import KeyRing, fingerprint_of

DATA_KEY_BYTES: Final = 32
HASH: Final = "data_keys"
DataKeys = Mapping[bytes, bytes]  # id -> wrapped key, as stored


class WrappedKey(NamedTuple):
    """A stored data key of a shop and the fingerprint of the key that wrapped it."""

    org: OrgId
    key_id: str
    fingerprint: str
    opens: bool  # whether a key of SECRET_KEY unwraps it


def open_cipher(keyring: KeyRing, org: OrgId, stored: DataKeys) -> ShopCipher:
    """The cipher with those data keys that can be unwrapped, possibly none."""
    unwrapped = {
        key_id: keyring.unwrap(wrapped, org=org, key_id=key_id) for key_id, wrapped in sorted(stored.items())
    }
    return ShopCipher(org, {key_id: key for key_id, key in unwrapped.items() if key is not None})


def new_data_key(keyring: KeyRing, org: OrgId) -> dict[bytes, bytes]:
    """A new random data key with a random id, wrapped. Raises InvalidSettings without SECRET_KEY."""
    key_id = secrets.token_bytes(ID_BYTES)
    return {key_id: keyring.wrap(secrets.token_bytes(DATA_KEY_BYTES), org=org, key_id=key_id)}


def queue_save(pipe: Any, org: OrgId, data_keys: DataKeys) -> None:
    """Add the command that stores new data keys, if there are any, to a transaction."""
    if data_keys:
        pipe.hset(keys.shop(org, HASH), mapping=dict(data_keys))


async def list_wrapped(redis: RedisClient, keyring: KeyRing) -> list[WrappedKey]:
    """The data keys of all shops, also of removed shops whose data was kept. Scans all keys of all servers."""
    wrapped: list[WrappedKey] = []
    for org in await _orgs(redis):
        stored: dict[bytes, bytes] = await redis.hgetall(keys.shop(org, HASH))
        wrapped += [
            WrappedKey(
                org,
                key_id.hex(),
                fingerprint_of(packed),
                keyring.unwrap(packed, org=org, key_id=key_id) is not None,
            )
            for key_id, packed in sorted(stored.items())
        ]
    return wrapped


async def rewrap(redis: RedisClient, keyring: KeyRing, org: OrgId) -> int:
    """Wrap the shop's data keys with the first key of SECRET_KEY. Returns how many had another wrapping.

    The data keys stay the same, so processes that have opened them go on. A key that nothing opens stays as it is.
    """
    first, *_ = keyring.fingerprints or ("",)
    key = keys.shop(org, HASH)

    async def attempt(pipe: Any) -> int:
        stored: dict[bytes, bytes] = await pipe.hgetall(key)
        rewrapped: dict[bytes, bytes] = {}
        for key_id, packed in stored.items():
            data_key = keyring.unwrap(packed, org=org, key_id=key_id)
            if data_key is not None and fingerprint_of(packed) != first:
                rewrapped[key_id] = keyring.wrap(data_key, org=org, key_id=key_id)
        if rewrapped:
            pipe.multi()
            queue_save(pipe, org, rewrapped)
        return len(rewrapped)

    count: int = await redis.transact([key], attempt)
    return count


async def delete_unreadable(redis: RedisClient, keyring: KeyRing, org: OrgId) -> int:
    """Delete the shop's data keys that no key of SECRET_KEY opens. What they sealed can never be read again."""
    key = keys.shop(org, HASH)
    stored: dict[bytes, bytes] = await redis.hgetall(key)
    lost = [name for name, packed in stored.items() if keyring.unwrap(packed, org=org, key_id=name) is None]
    return int(await redis.hdel(key, *lost)) if lost else 0


async def _orgs(redis: RedisClient) -> list[OrgId]:
    orgs: set[str] = set()
    for server in await redis.servers():
        cursor = 0
        while True:
            cursor, page = await server.scan(cursor, match=f"tagger:*:{HASH}", count=SCAN_COUNT)
            orgs.update(name.decode().split(":")[2] for name in page)
            if not cursor:
                break
    return [OrgId(org) for org in sorted(orgs, key=lambda org: (len(org), org))]
