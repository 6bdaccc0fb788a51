"""What both stores say of a move, in `{pN}store`. The mark `arrived` of the new store decides: with it, the move is complete.

Old store: `moved_to` in each partition (the sealed address) with `move_token`; in partition 0 `fence`, the settings that the
fence replaced. New store: `arriving` in each partition, the token of the attempt; in partition 0 `arriving_from`, the id of
the old store, and at the end `arrived`, the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from service.store.client import SERVICE, Store, keys
from service.store.encryption import KeyRing

KEY_ID: Final = b"address of the new store"  # bound to the sealed address
# Fields of `{pN}store` that the new store does not get: they are about the old one.
OF_MOVES: Final = (b"moved_to", b"move_token", b"fence", b"arriving", b"arriving_from", b"arrived")


@dataclass(frozen=True, slots=True)
class Departure:
    """A move that has begun to refuse writes, or is complete. `url` is empty if no key of SECRET_KEY opens the address."""

    url: str
    token: str


async def load_departure(source: Store, keyring: KeyRing) -> Departure | None:
    """Where the data goes. None: it stays. Raises redis' errors."""
    sealed, token = await source.hmget(keys.STORE, ["moved_to", "move_token"])
    if not sealed:
        return None
    url = keyring.unwrap(sealed, org=SERVICE, key_id=KEY_ID)
    return Departure((url or b"").decode(), (token or b"").decode())


async def announce_departure(source: Store, keyring: KeyRing, departure: Departure) -> None:
    """Have every process stop to work with the data. Raises InvalidSettings without SECRET_KEY, and redis' errors."""
    sealed = keyring.wrap(departure.url.encode(), org=SERVICE, key_id=KEY_ID)
    await _write(source, {"moved_to": sealed, "move_token": departure.token})


async def withdraw_departure(source: Store) -> None:
    """The data stays: every process goes on with it. Raises redis' errors."""
    await _delete(source, "moved_to", "move_token", "fence")


async def save_fence(source: Store, settings: Mapping[str, Mapping[str, str]]) -> None:
    """Keep the settings that the fence replaces, by server. Raises redis' errors."""
    await source.hset(keys.STORE, "fence", msgspec.json.encode(settings).decode())


async def load_fence(source: Store) -> dict[str, dict[str, str]] | None:
    """The settings that the fence replaced. None: there is no fence."""
    stored = await source.hget(keys.STORE, "fence")
    return msgspec.json.decode(stored, type=dict[str, dict[str, str]]) if stored else None


async def load_store_id(store: Store) -> str:
    """The id of the data. Data that no process has signed yet has none."""
    return (await store.hget(keys.STORE, "id") or b"").decode()


async def begin_arrival(target: Store, *, token: str, store_id: str) -> bool:
    """Make this attempt the one that may write. An earlier attempt cannot write from now on.

    False if the move is complete, or if the store belongs to another move.
    """

    async def attempt(pipe: Any) -> bool:
        stored: dict[bytes, bytes] = await pipe.hgetall(keys.STORE)
        if b"arrived" in stored or stored.get(b"arriving_from", store_id.encode()) != store_id.encode():
            return False
        pipe.multi()
        pipe.hset(keys.STORE, mapping={"arriving": token, "arriving_from": store_id})
        return True

    if not await target.transact([keys.STORE], attempt):
        return False
    await _write(target, {"arriving": token})
    return True


async def complete_arrival(target: Store, *, token: str, identities: Mapping[int, Mapping[str, str]]) -> bool:
    """Make the new store the one that counts: the moment of the move. False if another attempt has taken over.

    `identities` has for each partition the fields with which its server is known as checked.
    """
    async with target.pipeline(transaction=False) as pipe:
        for partition, fields in identities.items():
            pipe.hset(keys.of_partition(partition, "store"), mapping=dict(fields))
        await pipe.execute()

    async def attempt(pipe: Any) -> bool:
        if await pipe.hget(keys.STORE, "arriving") != token.encode():
            return False
        pipe.multi()
        pipe.hdel(keys.STORE, "arriving", "arriving_from")
        pipe.hset(keys.STORE, "arrived", token)
        return True

    if not await target.transact([keys.STORE], attempt):
        return await has_arrived(target, token)
    await open_arrived(target)
    return True


async def has_arrived(target: Store, token: str) -> bool:
    """Whether the move of this token is complete. Raises redis' errors."""
    return bool(await target.hget(keys.STORE, "arrived") == token.encode())


async def open_arrived(target: Store) -> None:
    """Let processes work with the partitions of a complete move. May be called twice, by any process."""
    await _delete(target, "arriving")


async def forget_arrival(target: Store) -> None:
    """The new store does not belong to the move any more. Raises redis' errors."""
    await _delete(target, *(field.decode() for field in OF_MOVES))


async def _write(store: Store, fields: Mapping[str, Any]) -> None:
    async with store.pipeline(transaction=False) as pipe:
        for key in keys.of_partitions("store"):
            pipe.hset(key, mapping=dict(fields))
        await pipe.execute()


async def _delete(store: Store, *fields: str) -> None:
    async with store.pipeline(transaction=False) as pipe:
        for key in keys.of_partitions("store"):
            pipe.hdel(key, *fields)
        await pipe.execute()
