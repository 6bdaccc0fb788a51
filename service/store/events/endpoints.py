"""Endpoints of a shop, how far each is, and the events that an endpoint did not accept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from service.domain.customers import OrgId
from service.domain.events import MAX_ENDPOINTS, Endpoint, EndpointState
from service.errors import NotFound, Refused
from service.sentence import Sentence
from service.store.client import RedisClient, keys, load_partitions
from service.store.events.outbox import Source

MAX_DEAD: Final = 1_000  # events that are kept for each endpoint; the oldest are dropped
INDEX: Final = "event_shops"


class DeadEvent(NamedTuple):
    """An event that the endpoint rejected, by the entry of its stream. It has no personal data."""

    id: str  # of the entry in the list of rejected events
    source: Source
    entry: str
    at_ms: int
    cause: str


async def next_id(redis: RedisClient, org: OrgId) -> str:
    """An id for a new endpoint. No id is used twice."""
    return f"E{await redis.incr(keys.shop(org, 'endpoint_seq'))}"


async def add(redis: RedisClient, org: OrgId, endpoint: Endpoint, state: EndpointState) -> None:
    """Store a new endpoint. Raises NotFound, and Refused if the shop has too many."""
    key, shop = keys.shop(org, "endpoints"), keys.shop(org, "shop")

    async def attempt(pipe: Any) -> None:
        if not await pipe.exists(shop):
            raise NotFound(Sentence("there is no shop {org}; see: tagger shops list", org=org))
        if await pipe.hlen(key) >= MAX_ENDPOINTS:
            raise Refused(
                Sentence("a shop has at most {most} endpoints; remove one first", most=MAX_ENDPOINTS)
            )
        pipe.multi()
        pipe.hset(key, endpoint.id, _ENCODE(endpoint))
        pipe.hset(keys.shop(org, "endpoint_states"), endpoint.id, _ENCODE(state))
        pipe.sadd(keys.partition_key(org, INDEX), org)

    await redis.transact([key, shop], attempt)


async def list_all(redis: RedisClient, org: OrgId) -> list[tuple[Endpoint, EndpointState]]:
    """Every endpoint of the shop with its state, by id."""
    async with redis.pipeline() as pipe:
        queue_list(pipe, org)
        return decode_list(*await pipe.execute())


def queue_list(pipe: Any, org: OrgId) -> None:
    """Read every endpoint of the shop with the commands of a pipeline: two replies, for `decode_list`."""
    pipe.hgetall(keys.shop(org, "endpoints"))
    pipe.hgetall(keys.shop(org, "endpoint_states"))


def decode_list(
    endpoints: Mapping[bytes, bytes], states: Mapping[bytes, bytes]
) -> list[tuple[Endpoint, EndpointState]]:
    """Endpoints with their states, by id."""
    found = [(_DECODE(stored), _decode_state(states.get(name))) for name, stored in endpoints.items()]
    return sorted(found, key=lambda pair: (len(pair[0].id), pair[0].id))


async def get(redis: RedisClient, org: OrgId, endpoint_id: str) -> tuple[Endpoint, EndpointState]:
    """One endpoint with its state. Raises NotFound."""
    async with redis.pipeline() as pipe:
        pipe.hget(keys.shop(org, "endpoints"), endpoint_id)
        pipe.hget(keys.shop(org, "endpoint_states"), endpoint_id)
        stored, state = await pipe.execute()
    if stored is None:
        raise _no_endpoint(org, endpoint_id)
    return _DECODE(stored), _decode_state(state)


async def change(
    redis: RedisClient,
    org: OrgId,
    endpoint_id: str,
    decide: Callable[[Endpoint, EndpointState], tuple[Endpoint, EndpointState] | None],
) -> bool:
    """Change an endpoint and its state as `decide` says. Raises NotFound.

    `decide` gets what is stored, again if somebody changes it meanwhile. If it returns None, nothing is changed and the
    answer is False.
    """
    names = keys.shop(org, "endpoints"), keys.shop(org, "endpoint_states")

    async def attempt(pipe: Any) -> bool:
        stored, state = [await pipe.hget(name, endpoint_id) for name in names]
        if stored is None:
            raise _no_endpoint(org, endpoint_id)
        decided = decide(_DECODE(stored), _decode_state(state))
        if decided is None:
            return False
        pipe.multi()
        for name, value in zip(names, decided, strict=True):
            pipe.hset(name, endpoint_id, _ENCODE(value))
        return True

    changed: bool = await redis.transact(names, attempt)
    return changed


async def remove(redis: RedisClient, org: OrgId, endpoint_id: str) -> None:
    """Delete an endpoint with everything about it. Raises NotFound."""
    key = keys.shop(org, "endpoints")

    async def attempt(pipe: Any) -> None:
        if not await pipe.hexists(key, endpoint_id):
            raise _no_endpoint(org, endpoint_id)
        pipe.multi()
        pipe.hdel(key, endpoint_id)
        pipe.hdel(keys.shop(org, "endpoint_states"), endpoint_id)
        pipe.delete(_dead(org, endpoint_id), _retries(org, endpoint_id))

    await redis.transact([key], attempt)


async def shops(redis: RedisClient) -> list[OrgId]:
    """The shops that have, or had, endpoints."""
    members = await load_partitions(
        redis, lambda pipe, number: pipe.smembers(keys.of_partition(number, INDEX))
    )
    return [OrgId(org.decode()) for partition in members.values() for org in partition]


async def forget_shop(redis: RedisClient, org: OrgId) -> None:
    """Take a shop out of `shops` if it has no endpoints."""
    key = keys.shop(org, "endpoints")

    async def attempt(pipe: Any) -> None:
        if not await pipe.exists(key):
            pipe.multi()
            pipe.srem(keys.partition_key(org, INDEX), org)

    await redis.transact([key], attempt)


async def add_dead(
    redis: RedisClient, org: OrgId, endpoint_id: str, *, source: Source, entry: str, cause: str
) -> None:
    """Keep an event that the endpoint rejected."""
    fields = {"source": source, "entry": entry, "cause": cause}
    await redis.xadd(_dead(org, endpoint_id), fields, maxlen=MAX_DEAD, approximate=True)


async def list_dead(
    redis: RedisClient, org: OrgId, endpoint_id: str, *, limit: int = 100, before: str = ""
) -> list[DeadEvent]:
    """The events that the endpoint rejected, newest first. `before` is the id of the last one of the previous page."""
    newest = f"({before}" if before else "+"
    return [_decode_dead(*row) for row in await redis.xrevrange(_dead(org, endpoint_id), newest, count=limit)]


async def count_dead(redis: RedisClient, org: OrgId, endpoint_id: str) -> int:
    """How many events the endpoint rejected."""
    return int(await redis.xlen(_dead(org, endpoint_id)))


async def retry_dead(redis: RedisClient, org: OrgId, endpoint_id: str) -> int:
    """Move all rejected events to those that are sent again before any other. Returns how many."""
    dead = [_decode_dead(*row) for row in await redis.xrange(_dead(org, endpoint_id))]
    if dead:
        async with redis.pipeline() as pipe:
            pipe.rpush(_retries(org, endpoint_id), *(f"{each.source}/{each.entry}" for each in dead))
            pipe.xdel(_dead(org, endpoint_id), *(each.id for each in dead))
            await pipe.execute()
    return len(dead)


async def next_retry(redis: RedisClient, org: OrgId, endpoint_id: str) -> tuple[Source, str] | None:
    """The source and the entry of the first event that is sent again."""
    first: bytes | None = await redis.lindex(_retries(org, endpoint_id), 0)
    if first is None:
        return None
    source, _, entry = first.decode().partition("/")
    return ("ledger" if source == "ledger" else "notices"), entry


async def close_retry(redis: RedisClient, org: OrgId, endpoint_id: str, source: Source, entry: str) -> None:
    """The event was sent again."""
    await redis.lrem(_retries(org, endpoint_id), 1, f"{source}/{entry}")


def _decode_dead(entry_id: bytes, fields: dict[bytes, bytes]) -> DeadEvent:
    return DeadEvent(
        entry_id.decode(),
        "ledger" if fields[b"source"] == b"ledger" else "notices",
        fields[b"entry"].decode(),
        int(entry_id.partition(b"-")[0]),
        fields[b"cause"].decode(),
    )


def _dead(org: OrgId, endpoint_id: str) -> str:
    return keys.shop(org, f"dead_events:{endpoint_id}")


def _retries(org: OrgId, endpoint_id: str) -> str:
    return keys.shop(org, f"event_retries:{endpoint_id}")


def _decode_state(stored: bytes | None) -> EndpointState:
    return EndpointState() if stored is None else _DECODE_STATE(stored)


def _no_endpoint(org: OrgId, endpoint_id: str) -> NotFound:
    return NotFound(
        Sentence(
            "shop {org} has no endpoint {endpoint}; see: tagger events list {org}",
            org=org,
            endpoint=endpoint_id,
        )
    )


_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(Endpoint).decode
_DECODE_STATE: Final = msgspec.json.Decoder(EndpointState).decode
