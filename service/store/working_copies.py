"""Working copies: the draft of a shop's rules that people edit together, its other states, who edits, its review, its request.

A working copy may be invalid. It is published as a version of `rules.py`, and then it is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys

REQUEST_KEY: Final = "approval_request"
MAX_UNDO: Final = 50
REQUEST_DAYS: Final = 30
EDITING_MS: Final = 90_000  # an open editor says every 30 s that it is open


class Saver(msgspec.Struct, frozen=True, array_like=True):
    """Who saved a rule or tier last, in which open form."""

    editor: str
    by: str


class WorkingCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A document as people edit it.

    `document` is plain data with the keys `rules` and `tiers`. `rev` counts the saves. `parent` is the version that was
    live when the work began. `savers`: by id of a rule or tier. `entry`: the id of the rule or tier that the last save
    changed, empty if it changed several.
    """

    document: dict[str, Any]
    rev: int = 0
    parent: int = 0
    by: str = ""
    at_ms: int = 0
    savers: dict[str, Saver] = {}  # msgspec copies an empty default
    entry: str = ""


class Editing(msgspec.Struct, frozen=True):
    """Somebody has the editor of a rule or tier open, since one moment and last heard of at another."""

    entry: str
    by: str
    since_ms: int
    seen_ms: int


class Review(msgspec.Struct, frozen=True):
    """The last complete preview of a working copy. Only this content may be published, over this parent."""

    content: str
    parent: int
    at_ms: int


class ApprovalRequest(msgspec.Struct, frozen=True):
    """A marketer asks for an approval of this content. It is void once the copy is saved again."""

    content: str
    by: str
    at_ms: int
    note: str


async def load(redis: RedisClient, org: OrgId) -> WorkingCopy | None:
    """The working copy. None if nobody has changed anything since the last publish."""
    stored = await redis.get(keys.shop(org, "working_copy"))
    return None if stored is None else _DECODER.decode(stored)


async def save(redis: RedisClient, org: OrgId, copy: WorkingCopy, *, before: WorkingCopy) -> bool:
    """Store the copy, and keep `before`, which it was made from, for undo. False if another save was first."""
    key, undo_key = keys.shop(org, "working_copy"), keys.shop(org, "working_copy_undo")

    async def attempt(pipe: Any) -> bool:
        stored = await pipe.get(key)
        if (0 if stored is None else _DECODER.decode(stored).rev) != before.rev:
            return False
        pipe.multi()
        pipe.set(key, _ENCODER.encode(copy))
        pipe.lpush(undo_key, _ENCODER.encode(before))
        pipe.ltrim(undo_key, 0, MAX_UNDO - 1)
        pipe.delete(keys.shop(org, "working_copy_redo"), keys.shop(org, REQUEST_KEY))
        return True

    saved: bool = await redis.transact([key], attempt)
    return saved


async def undo(redis: RedisClient, org: OrgId, *, by: str, at_ms: int) -> WorkingCopy | None:
    """Restore the copy before the last save, and keep the present one for redo. None if there is none."""
    return await _step(redis, org, "working_copy_undo", "working_copy_redo", by=by, at_ms=at_ms)


async def redo(redis: RedisClient, org: OrgId, *, by: str, at_ms: int) -> WorkingCopy | None:
    """Restore the copy before the last undo. None if there is none: a save ends what can be restored."""
    return await _step(redis, org, "working_copy_redo", "working_copy_undo", by=by, at_ms=at_ms)


async def _step(
    redis: RedisClient, org: OrgId, source: str, target: str, *, by: str, at_ms: int
) -> WorkingCopy | None:
    """Exchange the copy with the first of one list, and put it first in the other."""
    key, source_key, target_key = (
        keys.shop(org, "working_copy"),
        keys.shop(org, source),
        keys.shop(org, target),
    )

    async def attempt(pipe: Any) -> WorkingCopy | None:
        stored, [*first] = await pipe.get(key), await pipe.lrange(source_key, 0, 0)
        if stored is None or not first:
            return None
        restored: WorkingCopy = msgspec.structs.replace(
            _DECODER.decode(first[0]),
            rev=_DECODER.decode(stored).rev + 1,
            by=by,
            at_ms=at_ms,
            savers={},
        )
        pipe.multi()
        pipe.lpop(source_key)
        pipe.lpush(target_key, stored)
        pipe.set(key, _ENCODER.encode(restored))
        pipe.delete(keys.shop(org, REQUEST_KEY))
        return restored

    result: WorkingCopy | None = await redis.transact([key, source_key], attempt)
    return result


async def count_steps(redis: RedisClient, org: OrgId) -> tuple[int, int]:
    """The number of saves that can be undone, and of those that can be redone."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.llen(keys.shop(org, "working_copy_undo"))
        pipe.llen(keys.shop(org, "working_copy_redo"))
        undos, redos = await pipe.execute()
    return int(undos), int(redos)


async def note_editing(
    redis: RedisClient, org: OrgId, editor_id: str, *, entry: str, by: str, at_ms: int
) -> None:
    """Note that the editor of a rule or tier is open. `editor_id` is the id of the open form."""
    key = keys.shop(org, "editing")
    stored = await redis.hgetall(key)
    known = _decode_editing(stored, at_ms)
    before = known.get(editor_id)
    since_ms = before.since_ms if before is not None and before.entry == entry else at_ms
    ended = [name for name in stored if name.decode() not in known]
    async with redis.pipeline() as pipe:
        pipe.hset(key, editor_id, _ENCODER.encode(Editing(entry, by, since_ms, at_ms)))
        if ended:
            pipe.hdel(key, *ended)
        pipe.pexpire(key, EDITING_MS)
        await pipe.execute()


async def list_editing(redis: RedisClient, org: OrgId, *, now_ms: int) -> tuple[Editing, ...]:
    """Who has an editor open, the one who opened it first in front."""
    known = _decode_editing(await redis.hgetall(keys.shop(org, "editing")), now_ms)
    return tuple(sorted(known.values(), key=lambda each: (each.since_ms, each.by)))


def _decode_editing(stored: Mapping[bytes, bytes], now_ms: int) -> dict[str, Editing]:
    editing = {name.decode(): _EDITING_DECODER.decode(each) for name, each in stored.items()}
    return {name: each for name, each in editing.items() if now_ms - each.seen_ms < EDITING_MS}


async def remove(redis: RedisClient, org: OrgId, *, rev: int) -> bool:
    """Discard the copy and everything about it. False if somebody has saved since the revision `rev`."""
    names = ("working_copy", "working_copy_undo", "working_copy_redo", "review", REQUEST_KEY)
    key, *others = [keys.shop(org, name) for name in names]

    async def attempt(pipe: Any) -> bool:
        stored = await pipe.get(key)
        if stored is not None and _DECODER.decode(stored).rev != rev:
            return False
        pipe.multi()
        pipe.delete(key, *others)
        return True

    removed: bool = await redis.transact([key], attempt)
    return removed


async def save_review(redis: RedisClient, org: OrgId, review: Review) -> None:
    """Store which content was previewed."""
    await redis.set(keys.shop(org, "review"), _ENCODER.encode(review))


async def load_review(redis: RedisClient, org: OrgId) -> Review | None:
    """The last preview of the working copy."""
    stored = await redis.get(keys.shop(org, "review"))
    return None if stored is None else msgspec.json.decode(stored, type=Review)


async def save_request(redis: RedisClient, org: OrgId, request: ApprovalRequest) -> None:
    """Store a request for an approval. It replaces an earlier one."""
    await redis.set(keys.shop(org, REQUEST_KEY), _ENCODER.encode(request), ex=REQUEST_DAYS * keys.DAY_S)


async def load_request(redis: RedisClient, org: OrgId) -> ApprovalRequest | None:
    """The open request for an approval."""
    return decode_request(await redis.get(keys.shop(org, REQUEST_KEY)))


def decode_request(stored: bytes | None) -> ApprovalRequest | None:
    """The stored request, None if there is none."""
    return None if stored is None else msgspec.json.decode(stored, type=ApprovalRequest)


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_DECODER: Final = msgspec.json.Decoder(WorkingCopy)
_EDITING_DECODER: Final = msgspec.json.Decoder(Editing)
