"""Sessions of users, and their one-time links. Only digests are stored: who reads Redis cannot sign in as somebody."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from service.domain.access import LINK_MS, MAX_AGE_MS, Session, User, UserSecret
from service.store.access.users import DECODER as USER_DECODER
from service.store.access.users import USERS, keys_of
from service.store.client import SERVICE, RedisClient, keys

USE_INTERVAL_MS: Final = 60_000  # the time of the last use is at most this old


class SessionUse(NamedTuple):
    """A session with the time of its last use; 0: not used since the sign-in. `digest` names it."""

    digest: str
    session: Session
    used_ms: int


class Found(NamedTuple):
    """The owner of a session and the session."""

    user: User
    use: SessionUse


async def add(redis: RedisClient, secret: UserSecret, session: Session) -> None:
    """Store a session, and delete those of the user that have ended."""
    sessions, uses = keys_of(secret.name)
    ended = [
        use.digest
        for use in await list_all(redis, secret.name)
        if use.session.is_over(use.used_ms, session.created_ms)
    ]
    async with redis.pipeline() as pipe:
        if ended:
            pipe.hdel(sessions, *ended)
            pipe.hdel(uses, *ended)
        pipe.hset(sessions, secret.digest, _ENCODER.encode(session))
        pipe.pexpire(sessions, MAX_AGE_MS)
        await pipe.execute()


async def find(redis: RedisClient, secret: UserSecret) -> tuple[Found | None, int]:
    """The session with this secret unless it has ended, and the time of the server in ms, in one round trip."""
    sessions, uses = keys_of(secret.name)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hget(USERS, secret.name)
        pipe.hget(sessions, secret.digest)
        pipe.hget(uses, secret.digest)
        pipe.time()
        user, stored, used, (seconds, micros) = await pipe.execute()
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    if user is None or stored is None:
        return None, now_ms
    owner, session, used_ms = USER_DECODER.decode(user), _DECODER.decode(stored), int(used or 0)
    is_of_earlier_user = session.created_ms < owner.created_ms  # of the same name, who was removed
    if is_of_earlier_user or session.is_over(used_ms, now_ms):
        return None, now_ms
    return Found(owner, SessionUse(secret.digest, session, used_ms)), now_ms


async def save_use(redis: RedisClient, name: str, use: SessionUse, *, now_ms: int) -> None:
    """Store the time of this use, unless the stored one is less than a minute old.

    It has a key of its own: written beside the session, it could bring back one that was ended meanwhile.
    """
    if now_ms - use.used_ms < USE_INTERVAL_MS:
        return
    _, uses = keys_of(name)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hset(uses, use.digest, now_ms)
        pipe.pexpire(uses, MAX_AGE_MS)
        await pipe.execute()


async def list_all(redis: RedisClient, name: str) -> list[SessionUse]:
    """Every stored session of a user, the newest first, also those that have ended."""
    sessions, uses = keys_of(name)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(sessions)
        pipe.hgetall(uses)
        stored, used = await pipe.execute()
    found = [
        SessionUse(digest.decode(), _DECODER.decode(packed), int(used.get(digest, 0)))
        for digest, packed in stored.items()
    ]
    return sorted(found, key=lambda use: -use.session.created_ms)


async def remove(redis: RedisClient, name: str, digest: str) -> None:
    """End one session."""
    sessions, uses = keys_of(name)
    async with redis.pipeline() as pipe:
        pipe.hdel(sessions, digest)
        pipe.hdel(uses, digest)
        await pipe.execute()


async def remove_all(redis: RedisClient, name: str) -> None:
    """End every session of a user."""
    await redis.delete(*keys_of(name))


async def add_link(redis: RedisClient, secret: UserSecret) -> None:
    """Store a one-time link. An earlier link of the user stops working."""
    client: Any = redis
    await client.set(_link_key(secret.name), secret.digest, px=LINK_MS)


async def use_link(redis: RedisClient, secret: UserSecret) -> bool:
    """Whether the link is valid. It is not any more afterwards, also if two browsers use it at once."""
    key = _link_key(secret.name)

    async def attempt(pipe: Any) -> bool:
        if await pipe.get(key) != secret.digest.encode():
            return False
        pipe.multi()
        pipe.delete(key)
        return True

    is_valid: bool = await redis.transact([key], attempt)
    return is_valid


async def remove_link(redis: RedisClient, name: str) -> None:
    """Make the user's link invalid."""
    await redis.delete(_link_key(name))


def _link_key(name: str) -> str:
    return keys.shop(SERVICE, f"sign_in_link:{name}")


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Session)
