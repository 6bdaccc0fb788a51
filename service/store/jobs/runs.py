"""Runs: a replay, a publish, a backfill: many marks with one reason, and how far their customers are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, cast

import msgspec
from arq.connections import ArqRedis

from service.domain.customers import CustomerId, OrgId
from service.errors import NotFound
from service.store.client import SCAN_COUNT, batched, keys
from service.store.queue import dirty

Kind = Literal["replay", "publish", "adopt", "retract", "backfill", "reconcile", "audit"]
ID_PREFIX: Final[dict[Kind, str]] = {
    "replay": "R",
    "publish": "P",
    "adopt": "A",
    "retract": "T",
    "backfill": "B",
    "reconcile": "C",
    "audit": "S",
}
EXPLAIN_REMOVALS: Final[frozenset[Kind]] = frozenset({"publish", "adopt", "retract"})


class Run(msgspec.Struct, frozen=True):
    """A run as it stands. `left` customers are still to come; the others are done or became dead letters."""

    id: str
    kind: Kind
    by: str
    reason: str
    started_ms: int
    total: int
    remaining: int
    done: int = 0  # customers brought right, or found right
    failed: int = 0  # customers that became a dead letter
    added: int = 0  # tags given
    removed: int = 0  # tags taken
    scanned: int = 0  # customers that the scan has read
    ended: str = ""  # why it ended before its customers did: `superseded`, `stopped`, `failed`
    pending: bool = False  # a worker has not added all its customers yet

    @property
    def explains_removals(self) -> bool:
        """Whether tags that go by this run were approved: the removal guard does not count them."""
        return self.kind in EXPLAIN_REMOVALS

    @property
    def is_active(self) -> bool:
        """Whether something is still to come."""
        return not self.ended and (self.pending or self.remaining > 0)


async def create(redis: ArqRedis, org: OrgId, *, kind: Kind, by: str, reason: str, now_ms: int) -> str:
    """Open a run's books; returns its id. They are opened before the first mark, or a quick one is not counted."""
    run_id = await next_id(redis, org, kind)
    async with redis.pipeline() as pipe:
        queue_create(pipe, org, run_id, kind=kind, by=by, reason=reason, now_ms=now_ms)
        await pipe.execute()
    return run_id


async def next_id(redis: ArqRedis, org: OrgId, kind: Kind) -> str:
    """An id for a new run."""
    return f"{ID_PREFIX[kind]}{await redis.incr(keys.shop(org, 'run_seq'))}"


def queue_create(
    pipe: Any, org: OrgId, run_id: str, *, kind: Kind, by: str, reason: str, now_ms: int, **more: str | int
) -> None:
    """Open a run's books with the commands of a transaction; `more` fields of its hash."""
    key = keys.shop(org, f"run:{run_id}")
    fields = {"kind": kind, "by": by, "reason": reason, "started_ms": now_ms, "total": 0, **more}
    pipe.hset(key, mapping=fields)
    pipe.expire(key, keys.RUN_DAYS * keys.DAY_S)
    pipe.zadd(keys.shop(org, "runs"), {run_id: now_ms})
    if kind in EXPLAIN_REMOVALS:
        pipe.sadd(keys.shop(org, "guarded_runs"), run_id)


def queue_prepared(pipe: Any, org: OrgId, run_id: str) -> None:
    """All customers of a pending run are there, with the commands of a transaction."""
    pipe.hdel(keys.shop(org, f"run:{run_id}"), "pending")


async def mark(
    redis: ArqRedis,
    org: OrgId,
    run_id: str,
    customers: Sequence[CustomerId],
    *,
    kind: Kind,
    on_marked: Callable[[int], None] = lambda _: None,
) -> None:
    """Mark more customers under a run, in the bulk lane. `on_marked` hears how many of them are marked so far."""
    marked = 0
    for chunk in batched(customers):
        await add_members(redis, org, run_id, chunk)
        await dirty.mark_dirty_customers(redis, org, chunk, cause=f"{kind}:{run_id}")
        marked += len(chunk)
        on_marked(marked)


async def add_members(redis: ArqRedis, org: OrgId, run_id: str, customers: Sequence[CustomerId]) -> None:
    """Add customers that are still to come. Marks are made under the run's cause, `kind:id`. Twice adds them once."""
    key = keys.shop(org, f"run:{run_id}")
    for chunk in batched(customers):
        async with redis.pipeline(transaction=False) as pipe:
            pipe.sadd(f"{key}:remaining", *[str(each) for each in chunk])
            pipe.expire(f"{key}:remaining", keys.RUN_DAYS * keys.DAY_S)
            added, _ = await pipe.execute()
        await cast("Any", redis).hincrby(key, "total", added)


async def remaining(redis: ArqRedis, org: OrgId, run_id: str) -> list[CustomerId]:
    """Who is still to come."""
    key = keys.shop(org, f"run:{run_id}:remaining")
    return sorted({CustomerId(int(each)) async for each in redis.sscan_iter(key, count=SCAN_COUNT)})


async def start(
    redis: ArqRedis,
    org: OrgId,
    customers: Sequence[CustomerId],
    *,
    kind: Kind,
    by: str,
    reason: str,
    now_ms: int,
    on_marked: Callable[[int], None] = lambda _: None,
) -> Run:
    """Mark these customers under a new run. `on_marked` hears how many are marked so far."""
    run_id = await create(redis, org, kind=kind, by=by, reason=reason, now_ms=now_ms)
    await mark(redis, org, run_id, customers, kind=kind, on_marked=on_marked)
    return await get(redis, org, run_id)


async def get(redis: ArqRedis, org: OrgId, run_id: str) -> Run:
    """The run as it stands; raises NotFound."""
    key = keys.shop(org, f"run:{run_id}")
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(key)
        pipe.scard(f"{key}:remaining")
        fields, left = await pipe.execute()
    if not fields:
        raise NotFound(f"there is no run {run_id}; runs are kept for {keys.RUN_DAYS} days")
    known = {name.decode(): value.decode() for name, value in fields.items()}
    return msgspec.convert({**known, "id": run_id, "remaining": left}, Run, strict=False)


async def latest(redis: ArqRedis, org: OrgId, *, limit: int = 20) -> list[Run]:
    """The newest runs first."""
    ids = await redis.zrevrange(keys.shop(org, "runs"), 0, limit - 1)
    found: list[Run] = []
    for each in ids:
        try:
            found.append(await get(redis, org, each.decode()))
        except NotFound:
            await redis.zrem(keys.shop(org, "runs"), each)
    return found


async def guarded_runs(redis: ArqRedis, org: OrgId) -> list[Run]:
    """The runs of the latest publish, and of the claims by hand since: those whose removals are watched."""
    found: list[Run] = []
    for each in await cast("Any", redis).smembers(keys.shop(org, "guarded_runs")):
        try:
            found.append(await get(redis, org, each.decode()))
        except NotFound:
            await cast("Any", redis).srem(keys.shop(org, "guarded_runs"), each)
    return found


async def supersede_guarded(redis: ArqRedis, org: OrgId, *, by: str) -> None:
    """The run of a publish ends the books of all earlier ones that explain removals, never their marks."""
    for run in await guarded_runs(redis, org):
        if _number(run.id) < _number(by):
            if run.is_active:
                await end(redis, org, run.id, reason="superseded")
            await cast("Any", redis).srem(keys.shop(org, "guarded_runs"), run.id)


async def set_scanned(redis: ArqRedis, org: OrgId, run_id: str, scanned: int) -> None:
    """Store how many customers the scan of a run has read."""
    await cast("Any", redis).hset(keys.shop(org, f"run:{run_id}"), "scanned", scanned)


async def fail(redis: ArqRedis, org: OrgId, run_id: str) -> None:
    """Mark the run of a scan that did not reach the last customer. Its customers are still counted."""
    await cast("Any", redis).hset(keys.shop(org, f"run:{run_id}"), "ended", "failed")


async def end(redis: ArqRedis, org: OrgId, run_id: str, *, reason: str) -> None:
    """End a run's bookkeeping; its marks stay, since the tags must come right all the same."""
    key = keys.shop(org, f"run:{run_id}")
    if await redis.exists(key):
        await redis.hset(key, "ended", reason)
        await redis.hdel(key, "pending")
        await redis.unlink(f"{key}:remaining")  # deleting a large set keeps the store busy


def _number(run_id: str) -> int:
    """Numbers of runs grow with time, whatever their kind."""
    return int(run_id[1:])
