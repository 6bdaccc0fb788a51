"""The first look at a shop: its first walk only reads. Then the changes of the live rules obey the publish guard.

The walk stores a snapshot of every customer, and a pending job. The job compares what the live rules would write with
the guard. Within it, the first look is complete, and a rollout writes. Beyond it, the shop waits for an approval, or
for a publish, which shows the same preview. Webhooks are served meanwhile.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from service.context import Context
from service.cpu_pool import CpuRunner
from service.domain.access import Actor, Role
from service.domain.customers import OrgId
from service.errors import Refused
from service.publishing import rollout
from service.publishing.draft import Draft, draft_live_rules
from service.publishing.publish import describe_effect
from service.sentence import Sentence
from service.store.history import audit_log
from service.store.jobs import PendingJob, Run, pending, runs
from service.store.shops import FirstLook, Shop

RUN_REASON: Final = "first look"


def queue_end_of_walk(pipe: Any, org: OrgId, run_id: str) -> None:
    """Store the job that decides what follows from the walk `run_id` with the commands of a transaction."""
    runs.queue_pending(pipe, org, run_id)
    pending.queue_save(pipe, PendingJob(org, "first_look", run_id, {}))


async def execute(context: Context, cpu: CpuRunner, job: PendingJob) -> bool:
    """Decide what follows from a complete walk. False if other rules went live meanwhile: the job is tried again."""
    org = job.org
    shop = await context.shops.get_or_raise(org)
    if shop.first_look == "complete":  # another walk, or a publish, was first
        async with context.redis.pipeline() as pipe:
            _queue_done(pipe, job)
            await pipe.execute()
        return True
    verdict = await cpu.run(evaluate, org)
    state: FirstLook = "waiting" if verdict.needs_approval else "complete"
    run_id, now_ms = await runs.next_id(context.redis, org, "publish"), await context.now_ms()

    def queue(pipe: Any) -> None:
        if state == "complete":
            rollout.queue_end(pipe, org, run_id, verdict, by=RUN_REASON, reason=RUN_REASON, now_ms=now_ms)
        _queue_done(pipe, job)

    return await context.versions.settle_first_look(
        org, state, before=shop.first_look, live=verdict.version, extend=queue
    )


async def evaluate(context: Context, org: OrgId) -> rollout.Verdict:
    """Evaluate the live rules for all customers."""
    return (await draft_first_look(context, await context.shops.get_or_raise(org))).verdict


async def draft_first_look(context: Context, shop: Shop) -> Draft:
    """Evaluate what the live rules would write to the customers that the walk has read."""
    return await draft_live_rules(context, replace(shop, first_look="waiting"))


async def draft_approval(context: Context, shop: Shop) -> Draft:
    """The draft that a person approves. Raises Refused if nothing waits for an approval."""
    if shop.first_look == "pending":
        raise Refused(
            Sentence(
                "the first look at shop {org} is not complete: nothing waits for an approval yet. Read all customers: tagger backfill {org}",
                org=shop.org,
            )
        )
    if shop.first_look == "complete":
        raise Refused(
            Sentence("the first look at shop {org} is complete: nothing waits for an approval", org=shop.org)
        )
    return await draft_first_look(context, shop)


async def approve(context: Context, shop: Shop, draft: Draft, *, by: Actor) -> Run | None:
    """End the first look with an approval; a worker then enqueues the customers that change. None without rules.

    Raises Forbidden for a marketer, and Refused if other rules were published since the draft.
    """
    by.require(Role.OPS, Sentence("approve a change beyond the guard"))
    redis, org, number = context.redis, shop.org, draft.parent
    run_id, now_ms = await runs.next_id(redis, org, "publish"), await context.now_ms()

    def queue(pipe: Any) -> None:
        rollout.queue_end(pipe, org, run_id, draft.verdict, by=by.name, reason=RUN_REASON, now_ms=now_ms)

    summary = describe_effect(draft.report, version=number, approved=True)
    async with audit_log.recorded(redis, by, "approve", org=org, summary=summary):
        if not await context.versions.settle_first_look(
            org, "complete", before="waiting", live=number, extend=queue
        ):
            raise Refused(
                Sentence(
                    "other rules went live meanwhile, or somebody else approved: look at the preview again"
                )
            )
    return await runs.get(redis, org, run_id) if number else None


def check_complete(shop: Shop) -> None:
    """Refuse what would write to many known customers before the first look is complete. Raises Refused."""
    if why := reason(shop):
        raise Refused(
            Sentence("{reason}. Until then, only customers with a webhook are evaluated", reason=why)
        )


def reason(shop: Shop) -> Sentence | None:
    """Why nothing is written to customers without a webhook, and the command that goes on. None if nothing stops it."""
    match shop.first_look:
        case "pending":
            return Sentence(
                "not all customers of shop {org} have been read yet: tagger backfill {org}", org=shop.org
            )
        case "waiting":
            return Sentence(
                "the first look at shop {org} waits for an approval: tagger shops approve {org} --dry-run",
                org=shop.org,
            )
        case "complete":
            return None


async def find_rollout(context: Context, org: OrgId) -> Run | None:
    """The run that a complete first look started. None without rules."""
    version = await context.versions.live(org)
    return None if version is None else await rollout.find_run(context.redis, org, version)


def _queue_done(pipe: Any, job: PendingJob) -> None:
    runs.queue_prepared(pipe, job.org, job.id)
    pending.queue_delete(pipe, job)
