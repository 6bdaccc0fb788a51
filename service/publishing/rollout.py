"""Rollout of a published version: find the customers that it affects, enqueue them as a run, watch what it removes.

A rollout is a pending job: it is stored with the version, and a worker executes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from arq.connections import ArqRedis

from service.context import Context
from service.cpu_pool import CpuRunner
from service.domain.customers import CustomerId, OrgId
from service.domain.preview import publish_plan
from service.publishing import preview, rollback
from service.store.client import batched, keys
from service.store.jobs import PendingJob, Run, pending, runs
from service.store.rules import Version, compile_version


class RolloutArgs(msgspec.Struct, frozen=True):
    """Arguments of the jobs `rollout` and `late_restores`."""

    version: int


class Evaluation(msgspec.Struct, frozen=True):
    """The customers that a rollout enqueues, and the jobs that this settles: its own, and those of older versions."""

    version: Version
    customers: list[CustomerId]
    jobs: list[PendingJob]
    rolled_back: list[int]  # versions among them that put back what others took


def queue_rollout(
    pipe: Any,
    org: OrgId,
    run_id: str,
    *,
    version: int,
    by: str,
    reason: str,
    may_remove: int,
    now_ms: int,
) -> None:
    """Start a run and store its job with the commands of a transaction; `may_remove`: so many tags were previewed."""
    more = {"pending": 1, "version": version, "may_remove": may_remove}
    runs.queue_create(pipe, org, run_id, kind="publish", by=by, reason=reason, now_ms=now_ms, **more)
    pending.queue_save(pipe, PendingJob(org, "rollout", run_id, {"version": version}))


async def pending_rollouts(redis: ArqRedis, org: OrgId, *, until: int) -> list[PendingJob]:
    """Rollouts of versions up to this one that no worker has finished."""
    return [
        job
        for job in await pending.list_jobs(redis, org)
        if job.kind == "rollout" and version_of(job) <= until
    ]


async def execute(context: Context, cpu: CpuRunner, job: PendingJob) -> bool:
    """Enqueue the customers that change under the live version. Executed twice, nothing is written twice."""
    found = await cpu.run(evaluate, job.org)
    if found is not None:
        await runs.supersede_guarded(context.redis, job.org, by=job.id)
        await runs.mark(context.redis, job.org, job.id, found.customers, kind="publish")
    async with context.redis.pipeline() as pipe:
        for done in [job] if found is None else found.jobs:
            pending.queue_delete(pipe, done)
        for number in [] if found is None else found.rolled_back:
            due_ms = (await context.versions.get(job.org, number)).at_ms + rollback.LATE_MS
            late = PendingJob(job.org, "late_restores", str(number), {"version": number}, due_ms)
            pending.queue_save(pipe, late)
        runs.queue_prepared(pipe, job.org, job.id)
        await pipe.execute()
    for done in [] if found is None else found.jobs:
        if done.id != job.id:
            await runs.end(context.redis, job.org, done.id, reason="superseded")
    return True


async def evaluate(context: Context, org: OrgId) -> Evaluation | None:
    """Look at all customers once more; None where no version is live. CPU work: about a second for 100,000 of them.

    From the version on no drain clears by the older rules, so nobody slips through between the preview and the version.
    """
    redis, versions = context.redis, context.versions
    version, now_ms = await versions.live(org), await context.now_ms()
    if version is None:
        return None
    jobs = await pending_rollouts(redis, org, until=version.number)
    numbers = {version_of(job) for job in jobs}
    past = await versions.inherited(org, version.number)
    compiled = compile_version(await versions.document(org, version.number), inherited=past)
    back = await rollback.pending(redis, org, numbers, version, versions=versions)
    people, unreadable = await preview.load_population_and_unreadable(
        redis, org, compiled, now_ms=now_ms, restores=back
    )
    plan = publish_plan(people, compiled, version=version.number)
    await _move_calendar(redis, org, plan.next_change_days)
    waiting = await rollback.assign(redis, org, back, people, touched=frozenset(plan.tag_changes))
    changing = map(CustomerId, (*plan.tag_changes, *plan.state_changes))
    customers = [*dict.fromkeys([*changing, *waiting, *unreadable])]
    rolled_back = [
        number for number in numbers if (await versions.inherited(org, number)).rolled_back_by(number)
    ]
    return Evaluation(version, customers, jobs, rolled_back)


async def execute_late(context: Context, cpu: CpuRunner, job: PendingJob) -> bool:
    """Put back what removals took that were under way when their version was undone: they are known only now."""
    redis, org = context.redis, job.org
    found = await cpu.run(evaluate_late, org, version_of(job))
    if found is not None and found.customers:
        version, run_id = found.version, await runs.next_id(redis, org, "publish")
        async with redis.pipeline() as pipe:
            runs.queue_create(
                pipe,
                org,
                run_id,
                kind="publish",
                by=version.author,
                reason=reason_of(version),
                now_ms=await context.now_ms(),
                version=version.number,
                may_remove=(version.preview or {}).get("removed", 0),
            )
            await pipe.execute()
        await runs.mark(redis, org, run_id, found.customers, kind="publish")
    async with redis.pipeline() as pipe:
        pending.queue_delete(pipe, job)
        await pipe.execute()
    return True


async def evaluate_late(context: Context, org: OrgId, number: int) -> Evaluation | None:
    """The customers for whom a roll-back still has to put something back; None where there are none."""
    redis, versions = context.redis, context.versions
    version = await versions.live(org)
    if version is None:
        return None
    late = await rollback.pending_late(redis, org, number, version, versions=versions)
    if not late:
        return None
    past = await versions.inherited(org, version.number)
    compiled = compile_version(await versions.document(org, version.number), inherited=past)
    people = await preview.load_population(redis, org, compiled, now_ms=await context.now_ms(), restores=late)
    customers = await rollback.assign(redis, org, late, people, touched=late.keys())
    return Evaluation(version, customers, [], [])


async def find_run(redis: ArqRedis, org: OrgId, version: Version) -> Run | None:
    """The run that carries a version out; None where it is older than the runs that are kept."""
    client: Any = redis
    found = [
        run
        for run in await runs.latest(redis, org)
        if int(await client.hget(keys.shop(org, f"run:{run.id}"), "version") or 0) == version.number
    ]
    return found[-1] if found else None  # the end of a shadow mode may have carried it out again since


def reason_of(version: Version) -> str:
    """What the run of a version is called."""
    return version.note or f"version {version.number}"


def version_of(job: PendingJob) -> int:
    """The version that a `rollout` or `late_restores` is about."""
    return msgspec.convert(job.args, RolloutArgs).version


async def stop_overruns(redis: ArqRedis, org: OrgId) -> list[str]:
    """Pause removals where a publish takes more tags than its preview said; the ids of such runs."""
    client: Any = redis
    found: list[str] = []
    for run in await runs.guarded_runs(redis, org):
        if run.ended or not run.remaining:
            continue
        allowed = await client.hget(keys.shop(org, f"run:{run.id}"), "may_remove")
        if allowed is not None and run.removed > _tolerance(int(allowed)):
            await client.hset(keys.shop(org, "state"), mapping={"removals_paused": f"publish {run.id}"})
            found.append(run.id)
    return found


def _tolerance(allowed: int) -> int:
    """Customers change while a run goes on: a twentieth more, and at least twenty, is no surprise."""
    return allowed + max(20, allowed // 20)


async def _move_calendar(redis: ArqRedis, org: OrgId, days: Sequence[tuple[int, int]]) -> None:
    """The days on which the new rules may change by themselves; an earlier day that stands is no harm."""
    client: Any = redis
    for chunk in batched(days):
        moved = {str(customer): day for customer, day in chunk}
        await client.zadd(keys.shop(org, "schedule"), moved, lt=True)
