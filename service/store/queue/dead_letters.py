"""Dead letters: customers that could not be processed. One letter for each customer and cause, with a count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from service.domain.customers import CustomerId, OrgId
from service.store.client import RedisClient, batched, keys, load_script, scan_hash
from service.store.queue import dirty

CRASH: Final = "crash"  # the cause of a letter for a customer whose record ended several drains
RETRY_INTERVAL_MS: Final = 24 * 3_600_000


class DeadLetter(msgspec.Struct, frozen=True):
    """An open letter. `text` explains it to a person and has no customer data."""

    customer: CustomerId
    cause: str
    text: str
    first_ms: int
    last_ms: int
    count: int
    transient: bool  # tried again every day


class _Stored(msgspec.Struct, frozen=True):
    text: str
    first: int
    last: int
    count: int
    transient: bool = False


async def list_open(redis: RedisClient, org: OrgId) -> list[DeadLetter]:
    """Every open letter of a shop, oldest first."""
    stored: dict[bytes, bytes] = {}
    async for page in scan_hash(redis, keys.shop(org, "dead_letters")):
        stored.update(page)
    letters = [
        letter for name, packed in stored.items() for letter in _letters(CustomerId(int(name)), packed)
    ]
    return sorted(letters, key=lambda letter: letter.first_ms)


def count_causes(packed: Iterable[bytes]) -> dict[str, int]:
    """How many open letters there are of each kind of cause, the most frequent first. `packed` are values of the hash."""
    kinds = Counter(cause.partition(":")[0] for letters in packed for cause in _DECODER.decode(letters))
    return dict(kinds.most_common())


async def for_customer(redis: RedisClient, org: OrgId, customer: CustomerId) -> list[DeadLetter]:
    """The open letters of one customer."""
    packed = await redis.hget(keys.shop(org, "dead_letters"), str(customer))
    return _letters(customer, packed) if packed else []


async def retry(redis: RedisClient, org: OrgId, customers: Sequence[CustomerId]) -> None:
    """Mark these customers and clear their reverts, so that stopped tags are given again. A success closes the letters."""
    for batch in batched(customers):
        await redis.hdel(keys.shop(org, "reverts"), *[str(customer) for customer in batch])
    await dirty.mark_dirty_customers(redis, org, customers, cause="retry")


async def drop(redis: RedisClient, org: OrgId, letters: Sequence[DeadLetter]) -> None:
    """Close these letters without another attempt. Other letters of their customers stay open."""
    causes: dict[CustomerId, set[str]] = {}
    for letter in letters:
        causes.setdefault(letter.customer, set()).add(letter.cause)
    dropped = load_script("queue", "drop_dead_letters")
    for batch in batched([*causes.items()]):
        await dropped(redis, org, msgspec.msgpack.encode([(str(who), [*what]) for who, what in batch]))


async def due_for_retry(redis: RedisClient, org: OrgId, *, now_ms: int) -> list[CustomerId]:
    """Customers with a transient letter whose last attempt was a day ago."""
    letters = await list_open(redis, org)
    due = {
        letter.customer
        for letter in letters
        if letter.transient and now_ms - letter.last_ms >= RETRY_INTERVAL_MS
    }
    return sorted(due)


def _letters(customer: CustomerId, packed: bytes) -> list[DeadLetter]:
    return [
        DeadLetter(customer, cause, letter.text, letter.first, letter.last, letter.count, letter.transient)
        for cause, letter in _DECODER.decode(packed).items()
    ]


_DECODER: Final = msgspec.json.Decoder(dict[str, _Stored], strict=False)
