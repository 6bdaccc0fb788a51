"""Tokens by name. A token contains its name, so that a request costs one look-up, whether the token is valid or not."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from service.domain.access import Token
from service.store.client import SERVICE, RedisClient, keys

USE_INTERVAL_MS: Final = 60_000  # the time of the last use is at most this old

TOKENS: Final = keys.shop(SERVICE, "tokens")
USES: Final = keys.shop(SERVICE, "token_uses")


class TokenUse(NamedTuple):
    """A token and the time of its last use; 0: never."""

    token: Token
    used_ms: int


async def add(redis: RedisClient, token: Token) -> bool:
    """Store a token. False if there is one with this name."""

    async def attempt(pipe: Any) -> bool:
        if await pipe.hexists(TOKENS, token.name):
            return False
        pipe.multi()
        pipe.hset(TOKENS, token.name, _ENCODER.encode(token))
        return True

    added: bool = await redis.transact([TOKENS], attempt)
    return added


async def remove(redis: RedisClient, name: str) -> None:
    """Delete a token and its last use."""
    async with redis.pipeline() as pipe:
        pipe.hdel(TOKENS, name)
        pipe.hdel(USES, name)
        await pipe.execute()


async def find(redis: RedisClient, name: str) -> TokenUse | None:
    """The token with this name, also if it has expired."""
    use, _ = await find_with_time(redis, name)
    return use


async def find_with_time(redis: RedisClient, name: str) -> tuple[TokenUse | None, int]:
    """The token with this name and the time of the server in ms, in one round trip."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hget(TOKENS, name)
        pipe.hget(USES, name)
        pipe.time()
        stored, used_ms, (seconds, micros) = await pipe.execute()
    use = None if stored is None else TokenUse(_DECODER.decode(stored), int(used_ms or 0))
    return use, int(seconds) * 1000 + int(micros) // 1000


async def list_all(redis: RedisClient) -> list[TokenUse]:
    """Every token by name."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(TOKENS)
        pipe.hgetall(USES)
        stored, uses = await pipe.execute()
    return [
        TokenUse(_DECODER.decode(packed), int(uses.get(name, 0))) for name, packed in sorted(stored.items())
    ]


async def save_use(redis: RedisClient, use: TokenUse, *, now_ms: int) -> None:
    """Store the time of this use, unless the stored one is less than a minute old."""
    client: Any = redis
    if now_ms - use.used_ms >= USE_INTERVAL_MS:
        await client.hset(USES, use.token.name, now_ms)


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Token)
