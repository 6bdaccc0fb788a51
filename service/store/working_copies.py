"""Working copies: the draft of a shop's rules that people edit together, its earlier states, its review and its request.

A working copy may be invalid. It is published as a version of `rules.py`, and then it is gone.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from redis.exceptions import WatchError

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys

MAX_UNDO: Final = 50
REQUEST_DAYS: Final = 30


class WorkingCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A document as people edit it.

    `document` is plain data with the keys `rules` and `tiers`. `rev` counts the saves. `parent` is the version that was
    live when the work began. `editors`: id of a rule or tier -> id of the open form that saved it last.
    """

    document: dict[str, Any]
    rev: int = 0
    parent: int = 0
    by: str = ""
    at_ms: int = 0
    editors: dict[str, str] = {}  # msgspec copies an empty default


class Review(msgspec.Struct, frozen=True):
    """The last complete preview of a working copy. Only this content may be published, over this parent."""

    content: str
    parent: int
    at_ms: int


class ApprovalRequest(msgspec.Struct, frozen=True):
    """A marketer asks for an approval of this content."""

    content: str
    by: str
    at_ms: int
    note: str


async def load(redis: RedisClient, org: OrgId) -> WorkingCopy | None:
    """The working copy. None if nobody has changed anything since the last publish."""
    stored = await redis.get(keys.shop(org, "working_copy"))
    return None if stored is None else _DECODER.decode(stored)


async def save(redis: RedisClient, org: OrgId, copy: WorkingCopy) -> bool:
    """Store the copy, and keep the one before it for undo. False if another save was first: `rev` must be the next."""
    key, undo = keys.shop(org, "working_copy"), keys.shop(org, "working_copy_undo")
    async with redis.pipeline() as pipe:
        try:
            await pipe.watch(key)
            stored = await pipe.get(key)
            if (0 if stored is None else _DECODER.decode(stored).rev) != copy.rev - 1:
                return False
            pipe.multi()
            pipe.set(key, _ENCODER.encode(copy))
            if stored is not None:
                pipe.lpush(undo, stored)
                pipe.ltrim(undo, 0, MAX_UNDO - 1)
            await pipe.execute()
        except WatchError:
            return False
    return True


async def undo(redis: RedisClient, org: OrgId, *, by: str, at_ms: int) -> WorkingCopy | None:
    """Restore the copy before the last save. None if there is none."""
    key, undo_key = keys.shop(org, "working_copy"), keys.shop(org, "working_copy_undo")
    async with redis.pipeline() as pipe:
        try:
            await pipe.watch(key, undo_key)
            stored, [*earlier] = await pipe.get(key), await pipe.lrange(undo_key, 0, 0)
            if stored is None or not earlier:
                return None
            restored = msgspec.structs.replace(
                _DECODER.decode(earlier[0]),
                rev=_DECODER.decode(stored).rev + 1,
                by=by,
                at_ms=at_ms,
                editors={},
            )
            pipe.multi()
            pipe.lpop(undo_key)
            pipe.set(key, _ENCODER.encode(restored))
            await pipe.execute()
        except WatchError:
            return None
    return restored


async def count_undo(redis: RedisClient, org: OrgId) -> int:
    """The number of saves that can be undone."""
    return int(await redis.llen(keys.shop(org, "working_copy_undo")))


async def remove(redis: RedisClient, org: OrgId) -> None:
    """Discard the copy and everything about it."""
    names = ("working_copy", "working_copy_undo", "review", "approval_request")
    await redis.delete(*(keys.shop(org, name) for name in names))


async def save_review(redis: RedisClient, org: OrgId, review: Review) -> None:
    """Store which content was previewed."""
    await redis.set(keys.shop(org, "review"), _ENCODER.encode(review))


async def load_review(redis: RedisClient, org: OrgId) -> Review | None:
    """The last preview of the working copy."""
    stored = await redis.get(keys.shop(org, "review"))
    return None if stored is None else msgspec.json.decode(stored, type=Review)


async def save_request(redis: RedisClient, org: OrgId, request: ApprovalRequest) -> None:
    """Store a request for an approval. It replaces an earlier one."""
    await redis.set(
        keys.shop(org, "approval_request"), _ENCODER.encode(request), ex=REQUEST_DAYS * keys.DAY_S
    )


async def load_request(redis: RedisClient, org: OrgId) -> ApprovalRequest | None:
    """The open request for an approval."""
    stored = await redis.get(keys.shop(org, "approval_request"))
    return None if stored is None else msgspec.json.decode(stored, type=ApprovalRequest)


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_DECODER: Final = msgspec.json.Decoder(WorkingCopy)
