"""Reads what a backup has, while web and workers go on. Nothing is copied or locked, and no command takes long.

Customers are read first, and what refers to them or is referred to by them afterwards: the live version, all versions, the
ledger, the audit log. So no state refers to a version, and no change to an audit entry, that the backup lacks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

from service.domain.customers import CustomerId, OrgId
from service.errors import NotFound, Refused
from service.sentence import Sentence
from service.store.backup.parts import CUSTOMER_HASHES, SERVICE_KEYS, STATE_FIELDS, Part
from service.store.client import SCAN_COUNT, SERVICE, RedisClient, keys, scan_hash

WITH_LIVE_VERSION: Final = (
    "first_look",
    "live_version",
    "working_copy",
    "review",
    "approval_request",
    "scheduled_publish",
    "freeze",
    "run_seq",
    "endpoint_seq",
)
RULES: Final = ("versions", "inherited", "documents")
# If one of them exists, a shop or the service has data that a restore would overwrite.
DATA: Final = ("live_version", "versions", "owned", "audit", "audit_anchor", "tokens", "users")


async def read_shop(redis: RedisClient, org: OrgId) -> AsyncIterator[Part]:
    """The parts of a shop. Raises NotFound if it is removed meanwhile."""
    async for part in _read_customers(redis, org):
        yield part
    for part in await _read_settings(redis, org):
        yield part
    for name in RULES:
        async for page in scan_hash(redis, keys.shop(org, name)):
            yield _hash(name, page)
    for name in ("ledger", "drift"):
        async for part in _read_stream(redis, org, name):
            yield part
    async for part in _read_audit(redis, org):
        yield part
    if not await redis.exists(keys.shop(org, "shop")):
        raise NotFound(
            Sentence("shop {org} was removed while its backup was made; make the backup again", org=org)
        )


async def read_service(redis: RedisClient) -> AsyncIterator[Part]:
    """The parts of what belongs to no shop: users, tokens and an audit log."""
    for name in SERVICE_KEYS:
        if not name.startswith("audit"):
            async for page in scan_hash(redis, keys.shop(SERVICE, name)):
                yield _hash(name, page)
    async for part in _read_audit(redis, SERVICE):
        yield part


async def count_customers(redis: RedisClient, org: OrgId) -> int:
    """About how many customers a backup of the shop has."""
    async with redis.pipeline(transaction=False) as pipe:
        for name in CUSTOMER_HASHES:
            pipe.hlen(keys.shop(org, name))
        return int(max(await pipe.execute()))


async def customers_with_state(redis: RedisClient, org: OrgId) -> list[CustomerId]:
    """The customers with stored data that belongs into a backup, by id."""
    found: set[CustomerId] = set()
    for name in CUSTOMER_HASHES:
        async for page in scan_hash(redis, keys.shop(org, name)):
            found.update(CustomerId(int(customer)) for customer in page)
    return sorted(found)


async def has_data(redis: RedisClient, org: OrgId) -> bool:
    """Whether a restore would overwrite something of this shop, or of the service."""
    return bool(await redis.exists(*(keys.shop(org, name) for name in DATA)))


def has_entries(counts: Mapping[str, int]) -> bool:
    """The same of a backup, from its numbers of entries by key."""
    return any(counts.get(name) for name in DATA)


async def _read_customers(redis: RedisClient, org: OrgId) -> AsyncIterator[Part]:
    read: set[bytes] = set()
    for name in CUSTOMER_HASHES:
        async for page in scan_hash(redis, keys.shop(org, name)):
            customers = [customer for customer in page if customer not in read]
            if not customers:
                continue
            read.update(customers)
            async with redis.pipeline() as pipe:  # one step: a drain changes several of them at once
                for each in CUSTOMER_HASHES:
                    pipe.hmget(keys.shop(org, each), customers)
                columns = await pipe.execute()
            for each, values in zip(CUSTOMER_HASHES, columns, strict=True):
                yield _hash(each, dict(zip(customers, values, strict=True)))


async def _read_settings(redis: RedisClient, org: OrgId) -> list[Part]:
    """The shop's configuration and the drafts of its rules, with the live version of the same moment."""
    async with redis.pipeline() as pipe:
        pipe.hgetall(keys.shop(org, "shop"))
        pipe.hgetall(keys.shop(org, "data_keys"))
        pipe.hmget(keys.shop(org, "state"), STATE_FIELDS)
        pipe.lrange(keys.shop(org, "working_copy_undo"), 0, -1)
        pipe.lrange(keys.shop(org, "working_copy_redo"), 0, -1)
        pipe.hgetall(keys.shop(org, "endpoints"))
        pipe.hgetall(keys.shop(org, "endpoint_states"))
        pipe.mget([keys.shop(org, name) for name in WITH_LIVE_VERSION])
        shop, data_keys, state, undo, redo, endpoints, states, strings = await pipe.execute()
    fields = dict(zip((name.encode() for name in STATE_FIELDS), state, strict=True))
    return [
        _hash("shop", shop),
        _hash("data_keys", data_keys),
        _hash("state", fields),
        _hash("endpoints", endpoints),
        _hash("endpoint_states", states),
        Part("working_copy_undo", "list", tuple((value,) for value in undo)),
        Part("working_copy_redo", "list", tuple((value,) for value in redo)),
        *(
            Part(name, "string", ((value,),))
            for name, value in zip(WITH_LIVE_VERSION, strings, strict=True)
            if value is not None
        ),
    ]


async def _read_audit(redis: RedisClient, org: OrgId) -> AsyncIterator[Part]:
    """The audit log and its anchor. Raises Refused if retention removes entries that were not read yet."""
    stream = keys.shop(org, "audit")
    async with redis.pipeline() as pipe:
        pipe.hgetall(keys.shop(org, "audit_anchor"))
        pipe.xrange(stream, "-", "+", count=SCAN_COUNT)
        anchor, page = await pipe.execute()
    yield _hash("audit_anchor", anchor)
    number = int(anchor.get(b"number", 0))
    while page:
        if int(page[0][1][b"number"]) != number + 1:
            raise Refused(
                Sentence(
                    "entries of the audit log of {org} were removed meanwhile; make the backup again", org=org
                )
            )
        number = int(page[-1][1][b"number"])
        yield _stream("audit", page)
        page = await redis.xrange(stream, f"({page[-1][0].decode()}", "+", count=SCAN_COUNT)


async def _read_stream(redis: RedisClient, org: OrgId, name: str) -> AsyncIterator[Part]:
    start = "-"
    while page := await redis.xrange(keys.shop(org, name), start, "+", count=SCAN_COUNT):
        yield _stream(name, page)
        start = f"({page[-1][0].decode()}"


def _hash(name: str, fields: Mapping[bytes, bytes | None]) -> Part:
    return Part(name, "hash", tuple((field, value) for field, value in fields.items() if value is not None))


def _stream(name: str, page: Iterable[tuple[bytes, Mapping[bytes, bytes]]]) -> Part:
    return Part(name, "stream", tuple((entry, *_flat(fields)) for entry, fields in page))


def _flat(fields: Mapping[bytes, bytes]) -> Sequence[bytes]:
    pairs: Any = fields.items()
    return [value for pair in pairs for value in pair]
