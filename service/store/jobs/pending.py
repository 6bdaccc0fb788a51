"""Pending jobs: long work is stored, executed by a worker, and followed as a run.

A job is stored in the transaction that needs it (a new version, the end of shadow mode), so neither exists without
the other. The worker that executes a shop's jobs holds a lock and renews it. When it dies, another worker goes on
within seconds. So a job may be executed twice and must bear it.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import Any, Final, Literal

import msgspec
from redis.asyncio.lock import Lock

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys, load_partitions

LOCK_TIMEOUT_S: Final = 10  # when a worker dies, another goes on after this time
RENEW_INTERVAL_S: Final = 3.0

JobKind = Literal[
    "rollout",
    "late_restores",
    "claim",
    "erasure",
    "first_look",
    "replay",
    "restored",
    "end_of_freeze",
    "scheduled_publish",
    "scan",
    "subscription",
]
AT_HARAVAN: Final[frozenset[JobKind]] = frozenset({"scan", "subscription"})  # have a lock of their own


class PendingJob(msgspec.Struct, frozen=True):
    """One job of a shop. `id` is the id of its run, if it has one, and unique for its kind. `args` depend on the kind."""

    org: OrgId
    kind: JobKind
    id: str
    args: dict[str, Any]
    due_ms: int = 0  # not executed before
    failures: int = 0  # in a row, also those that ended the process which executed it

    @property
    def field(self) -> str:
        """The field of the hash that holds the job."""
        return f"{self.org}/{self.kind}/{self.id}"

    @property
    def number(self) -> int:
        """A number that grows with time among the jobs of one kind."""
        return int(self.id.lstrip(ascii_uppercase))


def queue_save(pipe: Any, job: PendingJob) -> None:
    """Add the command that stores a job to a transaction."""
    pipe.hset(keys.partition_key(job.org, "pending"), job.field, msgspec.json.encode(job))


def queue_delete(pipe: Any, job: PendingJob) -> None:
    """Add the command that deletes a completed job to a transaction."""
    pipe.hdel(keys.partition_key(job.org, "pending"), job.field)


async def save(redis: RedisClient, job: PendingJob) -> None:
    """Store a job, or replace it."""
    await redis.hset(keys.partition_key(job.org, "pending"), job.field, msgspec.json.encode(job))


async def list_jobs(redis: RedisClient, org: OrgId | None = None) -> list[PendingJob]:
    """All jobs, or those of one shop; without those of a server that is away."""
    partitions = await load_partitions(
        redis,
        lambda pipe, number: pipe.hvals(keys.of_partition(number, "pending")),
        numbers=keys.PARTITIONS if org is None else [keys.partition_of(org)],
    )
    jobs = [_decode(packed) for partition in partitions.values() for packed in partition]
    return [job for job in jobs if org in (None, job.org)]


def lock(redis: RedisClient, org: OrgId, *, at_haravan: bool = False) -> Lock:
    """The lock of the shop's jobs: one worker executes them, one after the other. Jobs at Haravan have another one."""
    key = keys.pending_lock(org, at_haravan=at_haravan)
    return Lock(redis, key, timeout=LOCK_TIMEOUT_S, blocking=False, thread_local=False)


_decode: Final = msgspec.json.Decoder(PendingJob).decode
