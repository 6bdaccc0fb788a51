"""Pending jobs: what takes long is stored, executed by a worker, and followed as a run.

A job is stored in the transaction that makes it necessary (a new version, the end of shadow mode), so neither exists
without the other. The worker that executes the jobs of a shop holds a lock and renews it; after its death another
worker goes on within seconds. So a job may be executed twice, and must be written for that.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import Any, Final, Literal

import msgspec
from redis.asyncio import Redis
from redis.asyncio.lock import Lock

from service.domain.customers import OrgId
from service.store.client import keys

LOCK_TIMEOUT_S: Final = 10  # so long after a worker's death another one goes on
RENEW_INTERVAL_S: Final = 3.0

JobKind = Literal["rollout", "late_restores", "claim", "erasure"]


class PendingJob(msgspec.Struct, frozen=True):
    """One job of a shop. `id` is the id of its run, or of what else there is once; `args` depend on the kind."""

    org: OrgId
    kind: JobKind
    id: str
    args: dict[str, Any]
    due_ms: int = 0  # not before this moment

    @property
    def field(self) -> str:
        """Its place in the hash of all jobs."""
        return f"{self.org}/{self.kind}/{self.id}"

    @property
    def number(self) -> int:
        """Grows with time among the jobs of one kind."""
        return int(self.id.lstrip(ascii_uppercase))


def queue_save(pipe: Any, job: PendingJob) -> None:
    """Store a job with the commands of a transaction."""
    pipe.hset(keys.partition_key(job.org, "pending"), job.field, msgspec.json.encode(job))


def queue_delete(pipe: Any, job: PendingJob) -> None:
    """Delete a job that is done with the commands of a transaction."""
    pipe.hdel(keys.partition_key(job.org, "pending"), job.field)


async def save(redis: Redis, job: PendingJob) -> None:
    """Store a job, or its new state."""
    client: Any = redis
    await client.hset(keys.partition_key(job.org, "pending"), job.field, msgspec.json.encode(job))


async def list_jobs(redis: Redis, org: OrgId | None = None) -> list[PendingJob]:
    """All jobs, or those of one shop."""
    client: Any = redis
    async with client.pipeline(transaction=False) as pipe:
        for key in keys.of_partitions("pending") if org is None else [keys.partition_key(org, "pending")]:
            pipe.hvals(key)
        jobs = [_decode(packed) for partition in await pipe.execute() for packed in partition]
    return [job for job in jobs if org in (None, job.org)]


def lock(redis: Redis, org: OrgId) -> Lock:
    """The lock of the worker that executes the shop's jobs: one worker at a time, one job after the other."""
    return Lock(redis, keys.pending_lock(org), timeout=LOCK_TIMEOUT_S, blocking=False, thread_local=False)


_decode: Final = msgspec.json.Decoder(PendingJob).decode
