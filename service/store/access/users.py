"""Users by name. There are few, so an e-mail address is found by looking at all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from service.domain.access import User
from service.store.client import SERVICE, RedisClient, keys

USERS: Final = keys.shop(SERVICE, "users")


async def find(redis: RedisClient, name: str) -> User | None:
    """The user with this name."""
    stored = await redis.hget(USERS, name)
    return None if stored is None else DECODER.decode(stored)


async def find_by_email(redis: RedisClient, email: str) -> User | None:
    """The user with this normalized address."""
    return next((user for user in await list_all(redis) if user.email == email), None)


async def list_all(redis: RedisClient) -> list[User]:
    """Every user by name."""
    stored = await redis.hgetall(USERS)
    return [DECODER.decode(packed) for _, packed in sorted(stored.items())]


async def change(redis: RedisClient, decide: Callable[[dict[str, User]], dict[str, User | None]]) -> None:
    """Change users as `decide` says, which gets all of them by name and returns those to store, or None to delete.

    It is called again if somebody else changed users meanwhile, so that two changes cannot both pass a check that only
    one may pass, such as the last owner's removal. Its exceptions pass.
    """

    async def attempt(pipe: Any) -> None:
        changed = decide({user.name: user for user in await list_all(redis)})
        pipe.multi()
        for name, user in changed.items():
            if user is None:
                pipe.hdel(USERS, name)
                pipe.delete(*keys_of(name))
            else:
                pipe.hset(USERS, name, _ENCODER.encode(user))

    await redis.transact([USERS], attempt)


def keys_of(name: str) -> tuple[str, str]:
    """The keys of a user's sessions and of their last uses."""
    return keys.shop(SERVICE, f"sessions:{name}"), keys.shop(SERVICE, f"session_uses:{name}")


_ENCODER: Final = msgspec.json.Encoder()
DECODER: Final = msgspec.json.Decoder(User)
