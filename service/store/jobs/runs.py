"""Runs: a replay, a publish, a backfill. A run marks many customers for one reason and counts their progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import msgspec

from service.domain.customers import CustomerId, OrgId
from service.errors import NotFound
from service.sentence import Sentence
from service.store.client import SCAN_COUNT, RedisClient, batched, keys
from service.store.queue import dirty

RunKind = Literal["replay", "publish", "adopt", "retract", "restore", "backfill", "reconcile", "audit"]
RUN_KINDS: Final[tuple[RunKind, ...]] = get_args(RunKind)
ID_PREFIX: Final[dict[RunKind, str]] = {
    "replay": "R",
    "publish": "P",
    "adopt": "A",
    "retract": "T",
    "restore": "U",
    "backfill": "B",
    "reconcile": "C",
    "audit": "S",
}
EXPLAIN_REMOVALS: Final[frozenset[RunKind]] = frozenset({"publish", "adopt", "retract", "restore"})


class Run(msgspec.Struct, frozen=True):
    """A run and its progress. Of its `total` customers, `remaining` are not done yet."""

    id: str
    kind: RunKind
    by: str
    reason: str
    started_ms: int
    total: int
    remaining: int
    done: int = 0  # customers whose tags are right now
    failed: int = 0  # customers that became a dead letter
    added: int = 0  # tags
    removed: int = 0  # tags
    scanned: int = 0  # customers that the scan has read
    ended: str = ""  # why it ended before its customers were done: `superseded`, `cancelled`, `failed`
    pending: bool = False  # a worker has not added all its customers yet
    version: int = 0  # of a publish: the rules that it rolls out
    # of a replay only:
    counted: bool = False  # its customers are frozen, and nobody has started it
    selection: str = ""  # what was selected, as JSON; `operations.replay` describes it
    deliveries: int = 0  # deliveries that matched
    waiting: int = 0  # of the remaining customers, those that are not marked yet
    per_minute: int = 0  # customers to mark in a minute; 0 = as many as the API rate limit lets through
    paused_by: str = ""

    @property
    def explains_removals(self) -> bool:
        """Whether the removals of this run were approved: the removal guard does not count them."""
        return self.kind in EXPLAIN_REMOVALS

    @property
    def is_active(self) -> bool:
        """Whether customers remain, or may still be added."""
        return not self.ended and not self.counted and (self.pending or self.remaining > 0)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs. An empty part matches all. `until_ms`: the run began earlier."""

    kind: RunKind | None = None
    active: bool | None = None
    since_ms: int = 0
    until_ms: int | None = None

    def matches(self, run: Run) -> bool:
        """Whether a run is one of them."""
        return (
            self.kind in (None, run.kind)
            and self.active in (None, run.is_active)
            and run.started_ms >= self.since_ms
            and (self.until_ms is None or run.started_ms < self.until_ms)
        )


ALL_RUNS: Final = RunFilter()


async def next_id(redis: RedisClient, org: OrgId, kind: RunKind) -> str:
    """An id for a new run."""
    return f"{ID_PREFIX[kind]}{await redis.incr(keys.shop(org, 'run_seq'))}"


async def create(redis: RedisClient, org: OrgId, *, kind: RunKind, by: str, reason: str, now_ms: int) -> str:
    """Create a run without customers; returns its id. A run must exist before its first mark, or it misses results."""
    run_id = await next_id(redis, org, kind)
    async with redis.pipeline() as pipe:
        queue_create(pipe, org, run_id, kind=kind, by=by, reason=reason, now_ms=now_ms)
        await pipe.execute()
    return run_id


def queue_create(
    pipe: Any, org: OrgId, run_id: str, *, kind: RunKind, by: str, reason: str, now_ms: int, **more: str | int
) -> None:
    """Add the commands that create a run to a transaction. `more` are further fields of its hash."""
    key = keys.shop(org, f"run:{run_id}")
    fields = {"kind": kind, "by": by, "reason": reason, "started_ms": now_ms, "total": 0, **more}
    pipe.hset(key, mapping=fields)
    pipe.expire(key, keys.RUN_DAYS * keys.DAY_S)
    pipe.zadd(keys.shop(org, "runs"), {run_id: now_ms})
    if kind in EXPLAIN_REMOVALS:
        pipe.sadd(keys.shop(org, "guarded_runs"), run_id)


def queue_pending(pipe: Any, org: OrgId, run_id: str) -> None:
    """Add the command to a transaction that begins the `pending` state of a run: a job has still to end it."""
    pipe.hset(keys.shop(org, f"run:{run_id}"), "pending", 1)


def queue_prepared(pipe: Any, org: OrgId, run_id: str) -> None:
    """Add the command that ends the `pending` state of a run to a transaction: all its customers are added."""
    pipe.hdel(keys.shop(org, f"run:{run_id}"), "pending")


async def mark(
    redis: RedisClient,
    org: OrgId,
    run_id: str,
    customers: Sequence[CustomerId],
    *,
    kind: RunKind,
    is_counted: bool = False,
    on_marked: Callable[[int], None] = lambda _: None,
) -> None:
    """Add customers to a run and mark them in the bulk lane. `on_marked` gets the number of customers marked so far.

    `is_counted`: the total of the run has them already.
    """
    marked = 0
    for batch in batched(customers):
        await add_members(redis, org, run_id, batch, is_counted=is_counted)
        await dirty.mark_dirty_customers(redis, org, batch, cause=f"{kind}:{run_id}")
        marked += len(batch)
        on_marked(marked)


async def add_members(
    redis: RedisClient, org: OrgId, run_id: str, customers: Sequence[CustomerId], *, is_counted: bool = False
) -> None:
    """Add remaining customers to a run, without duplicates. The caller marks them with the cause `kind:run_id`."""
    key = keys.shop(org, f"run:{run_id}")
    for batch in batched(customers):
        async with redis.pipeline(transaction=False) as pipe:
            pipe.sadd(f"{key}:remaining", *[str(customer) for customer in batch])
            pipe.expire(f"{key}:remaining", keys.RUN_DAYS * keys.DAY_S)
            added, _ = await pipe.execute()
        if not is_counted:
            await redis.hincrby(key, "total", added)


async def interrupted_page(redis: RedisClient, org: OrgId) -> frozenset[CustomerId]:
    """The customers of the page that an earlier scan of the shop did not finish, because its process died."""
    return frozenset(CustomerId(int(each)) for each in await redis.smembers(keys.shop(org, "scanned_page")))


async def begin_page(redis: RedisClient, org: OrgId, customers: Sequence[CustomerId]) -> None:
    """Note the customers of a scan's page before their records are parsed."""
    key = keys.shop(org, "scanned_page")
    async with redis.pipeline() as pipe:
        pipe.delete(key)
        if customers:
            pipe.sadd(key, *[str(customer) for customer in customers])
        await pipe.execute()


async def end_pages(redis: RedisClient, org: OrgId) -> None:
    """The scan has ended with its process alive."""
    await redis.delete(keys.shop(org, "scanned_page"))


async def remaining(redis: RedisClient, org: OrgId, run_id: str) -> list[CustomerId]:
    """The customers of a run that are not done yet, by id."""
    key = keys.shop(org, f"run:{run_id}:remaining")
    return sorted({CustomerId(int(customer)) async for customer in redis.sscan_iter(key, count=SCAN_COUNT)})


async def get(redis: RedisClient, org: OrgId, run_id: str) -> Run:
    """The run and its progress. Raises NotFound."""
    async with redis.pipeline(transaction=False) as pipe:
        _queue_get(pipe, org, run_id)
        stored, count, waiting = await pipe.execute()
    if not stored:
        raise NotFound(
            Sentence(
                "there is no run {run_id}; runs are kept for {days} days", run_id=run_id, days=keys.RUN_DAYS
            )
        )
    return _decode(run_id, stored, count, waiting)


async def latest(
    redis: RedisClient,
    org: OrgId,
    *,
    limit: int = 20,
    after: str | None = None,
    wanted: RunFilter = ALL_RUNS,
) -> list[Run]:
    """The latest runs that match, newest first; with `after` those that are older than this run."""
    key, first = keys.shop(org, "runs"), 0
    if after is not None:
        rank = await redis.zrevrank(key, after)
        if rank is None:  # it is not kept any more, and neither are older ones
            return []
        first = rank + 1
    found: list[Run] = []
    forgotten: list[str] = []
    while len(found) < limit:
        ids = [run_id.decode() for run_id in await redis.zrevrange(key, first, first + limit - 1)]
        page = await _load(redis, org, ids)
        found += filter(wanted.matches, page.values())
        forgotten += [run_id for run_id in ids if run_id not in page]
        first += limit
        if len(ids) < limit or any(run.started_ms < wanted.since_ms for run in page.values()):
            break
    if forgotten:
        await redis.zrem(key, *forgotten)
    return found[:limit]


async def guarded_runs(redis: RedisClient, org: OrgId) -> list[Run]:
    """The runs whose removals are guarded: the run of the latest publish, and those of later claims."""
    runs: list[Run] = []
    for run_id in await redis.smembers(keys.shop(org, "guarded_runs")):
        try:
            runs.append(await get(redis, org, run_id.decode()))
        except NotFound:
            await redis.srem(keys.shop(org, "guarded_runs"), run_id)
    return runs


async def supersede_guarded(redis: RedisClient, org: OrgId, *, by: str) -> None:
    """End all guarded runs that are older than the run `by`. Their marks stay."""
    for run in await guarded_runs(redis, org):
        if _number(run.id) < _number(by):
            if run.is_active:
                await end(redis, org, run.id, reason="superseded")
            await redis.srem(keys.shop(org, "guarded_runs"), run.id)


async def set_scanned(redis: RedisClient, org: OrgId, run_id: str, scanned: int) -> None:
    """Save how many customers the scan of a run has read."""
    await redis.hset(keys.shop(org, f"run:{run_id}"), "scanned", scanned)


async def save_prepared(redis: RedisClient, org: OrgId, run_id: str) -> None:
    """End the `pending` state of a run: all its customers are added."""
    await redis.hdel(keys.shop(org, f"run:{run_id}"), "pending")


async def fail(redis: RedisClient, org: OrgId, run_id: str) -> None:
    """End the run of a scan that did not reach the last customer. Its customers are still counted."""
    key = keys.shop(org, f"run:{run_id}")
    async with redis.pipeline() as pipe:
        pipe.hset(key, "ended", "failed")
        pipe.hdel(key, "pending")
        await pipe.execute()


async def end(redis: RedisClient, org: OrgId, run_id: str, *, reason: str) -> None:
    """End a run and stop counting its customers. Their marks stay, because their tags must become right anyway."""
    key = keys.shop(org, f"run:{run_id}")
    if await redis.exists(key):
        await redis.hset(key, "ended", reason)
        await redis.hdel(key, "pending")
        # `delete` would block the server while it frees a large set
        await redis.unlink(f"{key}:remaining", f"{key}:waiting")


async def _load(redis: RedisClient, org: OrgId, ids: Sequence[str]) -> dict[str, Run]:
    """The runs of these ids that are still kept."""
    async with redis.pipeline(transaction=False) as pipe:
        for run_id in ids:
            _queue_get(pipe, org, run_id)
        replies = await pipe.execute()
    stored = zip(ids, replies[::3], replies[1::3], replies[2::3], strict=True)
    return {
        run_id: _decode(run_id, fields, count, waiting) for run_id, fields, count, waiting in stored if fields
    }


def _queue_get(pipe: Any, org: OrgId, run_id: str) -> None:
    key = keys.shop(org, f"run:{run_id}")
    pipe.hgetall(key)
    pipe.scard(f"{key}:remaining")
    pipe.llen(f"{key}:waiting")


def _decode(run_id: str, stored: dict[bytes, bytes], marked: int, waiting: int) -> Run:
    fields = {name.decode(): value.decode() for name, value in stored.items()}
    more = {"id": run_id, "remaining": marked + waiting, "waiting": waiting}
    return msgspec.convert({**fields, **more}, Run, strict=False)


def _number(run_id: str) -> int:
    """The number in a run's id, which grows with time over all kinds."""
    return int(run_id[1:])
