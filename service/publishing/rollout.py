"""Rollout of a published version: find the customers that it affects, enqueue them as a run, watch what it removes.

A rollout is a pending job. It is stored in the transaction of its version, and a worker executes it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from service.context import Context
from service.cpu_pool import CpuRunner
from service.domain.customers import CustomerId, OrgId
from service.domain.engine import CompiledRules
from service.domain.preview import publish_plan
from service.publishing import preview, rollback
from service.store.client import RedisClient, keys
from service.store.customers import save_values, snapshots
from service.store.history import ledger
from service.store.jobs import PendingJob, Run, pending, runs
from service.store.rules import Version, compile_version

MAX_RUNS: Final = 500  # of a shop that are read for the effects of its versions
MAX_FAILURES: Final = 3  # then the rollout goes on without an evaluation
FROZEN_RETRY_MS: Final = 60_000


class RolloutArgs(msgspec.Struct, frozen=True):
    """Arguments of the job `rollout`. `is_large`: the publish exceeds the guard, and a person approved it."""

    version: int
    is_large: bool = False


class LateArgs(msgspec.Struct, frozen=True):
    """Arguments of the job `late_restores`."""

    version: int  # of the roll-back
    after_id: str  # the last ledger entry that its rollout read


class Evaluation(msgspec.Struct, frozen=True):
    """The customers that a rollout enqueues, and the pending rollouts that this completes."""

    version: Version
    customers: list[CustomerId]
    jobs: list[PendingJob]  # the rollout itself, and those of older versions
    rolled_back: list[int]  # the versions of `jobs` that are roll-backs
    ledger_id: str = ""  # the last ledger entry that was read for them


class Verdict(msgspec.Struct, frozen=True):
    """What the live rules would write if the first look, the freeze or the shadow mode of a shop ended now."""

    version: int  # 0: there are no rules
    needs_approval: bool
    may_remove: int  # tags


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
    is_large: bool = False,
) -> None:
    """Begin a run and store its job with the commands of a transaction.

    `may_remove`: removals in the preview. `is_large`: the publish is beyond the guard, so people are told.
    """
    more = {"pending": 1, "version": version, "may_remove": may_remove}
    runs.queue_create(pipe, org, run_id, kind="publish", by=by, reason=reason, now_ms=now_ms, **more)
    args = msgspec.to_builtins(RolloutArgs(version, is_large))
    pending.queue_save(pipe, PendingJob(org, "rollout", run_id, args))


def queue_end(
    pipe: Any, org: OrgId, run_id: str, verdict: Verdict, *, by: str, reason: str, now_ms: int
) -> None:
    """Begin the run that writes what was held back, with the commands of a transaction. Without rules there is none."""
    if verdict.version:
        queue_rollout(
            pipe,
            org,
            run_id,
            version=verdict.version,
            by=by,
            reason=reason,
            may_remove=verdict.may_remove,
            now_ms=now_ms,
        )


async def pending_rollouts(redis: RedisClient, org: OrgId, *, until: int) -> list[PendingJob]:
    """The unfinished rollouts of versions up to `until`."""
    return [
        job
        for job in await pending.list_jobs(redis, org)
        if job.kind == "rollout" and version_of(job) <= until
    ]


async def execute(context: Context, cpu: CpuRunner, job: PendingJob) -> bool:
    """Enqueue the customers that change under the live version. It can be repeated: nothing is written twice.

    If the evaluation fails again and again, one customer may be the cause, so all are enqueued: drains isolate it.
    During a freeze it is postponed: the end of the freeze rolls out the live version, and completes this job.
    """
    shop, now_ms = await context.shops.describe(job.org), await context.now_ms()
    if shop.freeze is not None and shop.is_frozen(now_ms):
        due_ms = max(shop.freeze.until_ms, now_ms) + FROZEN_RETRY_MS
        await pending.save(context.redis, msgspec.structs.replace(job, due_ms=due_ms))
        return False
    if job.failures < MAX_FAILURES:
        evaluation = await cpu.run(evaluate, job.org)
    else:
        evaluation = await _everybody(context, job.org)
    jobs, late = [job], list[PendingJob]()
    if evaluation is not None:
        jobs, late = evaluation.jobs, await _late_jobs(context, job.org, evaluation)
        await runs.supersede_guarded(context.redis, job.org, by=job.id)
        await runs.mark(context.redis, job.org, job.id, evaluation.customers, kind="publish")
    async with context.redis.pipeline() as pipe:
        for completed in jobs:
            pending.queue_delete(pipe, completed)
        for each in late:
            pending.queue_save(pipe, each)
        runs.queue_prepared(pipe, job.org, job.id)
        await pipe.execute()
    for completed in jobs:
        if completed.id != job.id:
            await runs.end(context.redis, job.org, completed.id, reason="superseded")
    return True


async def evaluate(context: Context, org: OrgId) -> Evaluation | None:
    """Evaluate all customers by the live version: about a second for 100,000. None if no version is live.

    The preview does not suffice: customers have changed since. They are all found here, because from the version on no
    drain decides by the older rules.
    """
    redis, versions = context.redis, context.versions
    version, now_ms = await versions.live(org), await context.now_ms()
    if version is None:
        return None
    jobs = await pending_rollouts(redis, org, until=version.number)
    numbers = {version_of(job) for job in jobs}
    compiled = await _compile(context, org, version)
    ledger_id = await ledger.last_id(redis, org)
    restores = await rollback.pending(context, org, numbers, version, until_id=ledger_id)
    population, unreadable = await preview.load_population_and_unreadable(
        redis,
        org,
        compiled,
        now_ms=now_ms,
        cipher=await context.shops.cipher(org),
        restores=restores,
    )
    plan = publish_plan(population, compiled, version=version.number)
    await save_values(redis, org, "schedule", dict(plan.next_change_days))
    changing = frozenset((*plan.tag_changes, *plan.state_changes))
    restoring = await rollback.assign(redis, org, restores, population, changing=changing)
    affected = map(CustomerId, (*plan.tag_changes, *plan.state_changes, *plan.undecided))
    customers = [*dict.fromkeys([*affected, *restoring, *unreadable])]
    rolled_back = [
        number for number in numbers if (await versions.inherited(org, number)).rolled_back_by(number)
    ]
    return Evaluation(version, customers, jobs, rolled_back, ledger_id)


async def _everybody(context: Context, org: OrgId) -> Evaluation | None:
    """An evaluation without decisions: all known customers. A roll-back restores nothing then."""
    version = await context.versions.live(org)
    if version is None:
        return None
    customers = sorted(await snapshots.known_ids(context.redis, org))
    jobs = await pending_rollouts(context.redis, org, until=version.number)
    return Evaluation(version, customers, jobs, [])


async def _late_jobs(context: Context, org: OrgId, evaluation: Evaluation) -> list[PendingJob]:
    """A job for each roll-back: it restores what writes in progress remove meanwhile."""
    jobs = []
    for number in evaluation.rolled_back:
        due_ms = (await context.versions.get(org, number)).at_ms + rollback.LATE_MS
        args = msgspec.to_builtins(LateArgs(number, evaluation.ledger_id))
        jobs.append(PendingJob(org, "late_restores", str(number), args, due_ms))
    return jobs


async def execute_late(context: Context, cpu: CpuRunner, job: PendingJob) -> bool:
    """Restore what was removed by writes in progress when their version was undone, since they are known only now."""
    redis, org = context.redis, job.org
    args = msgspec.convert(job.args, LateArgs)
    evaluation = await cpu.run(evaluate_late, org, args.version, args.after_id)
    if evaluation is not None and evaluation.customers:
        version, run_id = evaluation.version, await runs.next_id(redis, org, "publish")
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
        await runs.mark(redis, org, run_id, evaluation.customers, kind="publish")
    async with redis.pipeline() as pipe:
        pending.queue_delete(pipe, job)
        await pipe.execute()
    return True


async def evaluate_late(context: Context, org: OrgId, number: int, after_id: str) -> Evaluation | None:
    """The customers with tags that the roll-back `number` restores because of entries after `after_id`. None without."""
    redis = context.redis
    version = await context.versions.live(org)
    if version is None:
        return None
    restores = await rollback.pending_late(context, org, number, version, after_id=after_id)
    if not restores:
        return None
    compiled = await _compile(context, org, version)
    population = await preview.load_population(
        redis,
        org,
        compiled,
        now_ms=await context.now_ms(),
        cipher=await context.shops.cipher(org),
        restores=restores,
    )
    customers = await rollback.assign(redis, org, restores, population, changing=restores.keys())
    return Evaluation(version, customers, [], [])


async def find_run(redis: RedisClient, org: OrgId, version: Version) -> Run | None:
    """The run of a version's rollout. None if it is older than the stored runs."""
    matching = (await runs_by_version(redis, org)).get(version.number, ())
    return matching[-1] if matching else None  # the end of shadow mode may have rolled it out again


async def runs_by_version(redis: RedisClient, org: OrgId) -> dict[int, list[Run]]:
    """The latest runs of rollouts by version, newest first: also those of late restores, and of the end of a freeze."""
    found: dict[int, list[Run]] = {}
    for run in await runs.latest(redis, org, limit=MAX_RUNS):
        if run.kind == "publish" and run.version:
            found.setdefault(run.version, []).append(run)
    return found


class Effect(msgspec.Struct, frozen=True):
    """What the rollouts of a version have written so far. `remaining`: customers whose tags may still change."""

    added: int
    removed: int
    remaining: int


async def load_effects(redis: RedisClient, org: OrgId) -> dict[int, Effect]:
    """The effect of each version that was rolled out, also after an approval. Runs are kept for 90 days."""
    return {
        number: Effect(
            sum(run.added for run in found),
            sum(run.removed for run in found),
            sum(run.remaining for run in found if run.is_active),
        )
        for number, found in (await runs_by_version(redis, org)).items()
    }


def reason_of(version: Version) -> str:
    """The reason of a version's run."""
    return version.note or f"version {version.number}"


def version_of(job: PendingJob) -> int:
    """The version of a `rollout`."""
    return msgspec.convert(job.args, RolloutArgs).version


def is_large(job: PendingJob) -> bool:
    """Whether a `rollout` changes more than the guard allows without an approval."""
    return msgspec.convert(job.args, RolloutArgs).is_large


async def stop_overruns(redis: RedisClient, org: OrgId) -> list[str]:
    """Pause removals if a run removes more tags than its preview. Returns the ids of such runs."""
    client: Any = redis
    overruns: list[str] = []
    for run in await runs.guarded_runs(redis, org):
        if run.ended or not run.remaining:
            continue
        allowed = await client.hget(keys.shop(org, f"run:{run.id}"), "may_remove")
        if allowed is not None and run.removed > with_tolerance(int(allowed)):
            await client.hset(keys.shop(org, "state"), mapping={"removals_paused": f"publish {run.id}"})
            overruns.append(run.id)
    return overruns


def with_tolerance(allowed: int) -> int:
    """5 % more, and at least 20 more: customers change while a run goes on."""
    return allowed + max(20, allowed // 20)


async def _compile(context: Context, org: OrgId, version: Version) -> CompiledRules:
    inherited = await context.versions.inherited(org, version.number)
    return compile_version(await context.versions.document(org, version.number), inherited=inherited)
