"""A freeze: between two days of the shop's zone no tag is written. Webhooks are received, and customers are decided on.

Its end obeys the guard, as a publish does: everything that has changed meanwhile is written then. Within the guard it
ends by itself. Beyond it, the shop stays frozen until a person approves.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, Final

import msgspec

from service.context import Context
from service.cpu_pool import CpuRunner
from service.domain.access import Actor, Role
from service.domain.customers import OrgId
from service.domain.rules import calendar_for
from service.errors import Refused
from service.publishing import rollout
from service.publishing.draft import Draft, draft_live_rules
from service.publishing.publish import describe_effect, require_approval
from service.sentence import Sentence
from service.store.history import audit_log
from service.store.jobs import PendingJob, Run, pending, runs
from service.store.shops import FREEZE_KEY, Freeze, Shop, encode_freeze, make_freeze, queue_freeze

RUN_REASON: Final = "freeze ended"
MAX_DAYS: Final = 92
MAX_AHEAD_DAYS: Final = 366


class WrongDays(Refused):
    """Days that cannot be frozen. `field` is `first` or `last`; `key` names the text of pages, `freeze.error.KEY`."""

    def __init__(self, field: str, key: str, text: Sentence) -> None:
        super().__init__(text)
        self.field = field
        self.key = key


async def set_freeze(context: Context, shop: Shop, first: date, last: date, *, by: Actor) -> Freeze:
    """Freeze the shop from the first to the last day, both included. It replaces an earlier freeze.

    Of a freeze that has begun, only the last day can be changed. Raises Forbidden, Refused.
    """
    by.require(Role.MARKETER, Sentence("freeze the tags of a shop"))
    now_ms = await context.now_ms()
    today = calendar_for(shop.timezone).day_of(now_ms)
    _check_days(shop, first.toordinal(), last.toordinal(), now_ms=now_ms, today=today)
    freeze = make_freeze(first, last, timezone=shop.timezone, by=by.name)

    def queue(pipe: Any) -> None:
        queue_freeze(pipe, shop.org, freeze)
        queue_job(pipe, shop.org, freeze)

    summary = Sentence("no tag is written from {first} to {last}", first=str(first), last=str(last))
    async with audit_log.recorded(context.redis, by, "freeze", org=shop.org, summary=summary):
        await _change(context, shop, queue)
    return freeze


async def cancel_freeze(context: Context, shop: Shop, *, by: Actor) -> None:
    """Cancel a freeze that has not begun. Raises Forbidden, Refused."""
    by.require(Role.MARKETER, Sentence("cancel a freeze"))
    freeze = _freeze_of(shop)
    if shop.is_frozen(await context.now_ms()):
        raise Refused(
            Sentence(
                "the freeze of shop {org} has begun: end it, with a preview of what is written then",
                org=shop.org,
            )
        )
    summary = Sentence("{first} to {last}", first=str(freeze.first), last=str(freeze.last))
    async with audit_log.recorded(context.redis, by, "cancel_freeze", org=shop.org, summary=summary):
        await _change(context, shop, lambda pipe: _queue_end(pipe, shop.org))


async def is_planned(context: Context, shop: Shop) -> bool:
    """Whether the freeze has not begun yet. Raises Refused if there is none."""
    return _freeze_of(shop).state(await context.now_ms()) == "planned"


async def draft_end_of_freeze(context: Context, shop: Shop) -> Draft:
    """Evaluate what the live rules would write if the freeze ended now. Raises Refused if the shop is not frozen."""
    _freeze_of(shop)
    if not shop.is_frozen(await context.now_ms()):
        raise Refused(Sentence("the freeze of shop {org} has not begun", org=shop.org))
    return await draft_live_rules(context, replace(shop, freeze=None))


async def end_freeze(
    context: Context, shop: Shop, draft: Draft, *, by: Actor, approved: bool = False
) -> Run | None:
    """End the freeze; a worker then enqueues the customers that change, as a run. None if nothing is rolled out.

    Raises NeedsApproval, or Forbidden for an approval by a marketer, or Refused if rules or freeze have changed since
    the draft.
    """
    by.require(Role.MARKETER, Sentence("end a freeze"))
    require_approval(draft.report, approved=approved, by=by)
    summary = describe_effect(draft.report, version=draft.parent, approved=approved)
    async with audit_log.recorded(context.redis, by, "end_freeze", org=shop.org, summary=summary):
        is_ended, run_id = await _end(context, shop, draft.verdict, by=by.name)
        if not is_ended:
            raise Refused(
                Sentence("the rules or the freeze have changed meanwhile: look at the preview again")
            )
    return await runs.get(context.redis, shop.org, run_id) if run_id else None


async def execute(context: Context, cpu: CpuRunner, job: PendingJob) -> bool:
    """End a freeze whose last day is over, or let it wait for an approval. False: it is tried again."""
    shop, now_ms = await context.shops.describe(job.org), await context.now_ms()
    freeze = shop.freeze
    if freeze is None or freeze.waiting_ms:
        async with context.redis.pipeline() as pipe:
            pending.queue_delete(pipe, job)
            await pipe.execute()
        return True
    if now_ms < freeze.until_ms:  # another last day was set
        await pending.save(context.redis, _job(job.org, freeze.until_ms))
        return True
    verdict = await cpu.run(evaluate, job.org)
    if not verdict.needs_approval:
        is_ended, _ = await _end(context, shop, verdict, by="freeze")
        return is_ended

    def wait(pipe: Any) -> None:
        queue_freeze(pipe, job.org, msgspec.structs.replace(freeze, waiting_ms=now_ms))
        pending.queue_delete(pipe, job)

    return await context.versions.execute_if(
        job.org, wait, live=verdict.version, unchanged={FREEZE_KEY: encode_freeze(freeze)}
    )


async def evaluate(context: Context, org: OrgId) -> rollout.Verdict:
    """Evaluate the live rules for all customers."""
    shop = await context.shops.get_or_raise(org)
    return (await draft_live_rules(context, replace(shop, freeze=None))).verdict


async def _end(context: Context, shop: Shop, verdict: rollout.Verdict, *, by: str) -> tuple[bool, str]:
    """Delete the freeze and store the rollout, unless rules or freeze have changed. Returns also the id of the run.

    Before the end of a first look there is no rollout: the end of the first look makes it.
    """
    org, run_id = shop.org, ""
    if verdict.version and shop.first_look == "complete":
        run_id = await runs.next_id(context.redis, org, "publish")
    now_ms = await context.now_ms()

    def queue(pipe: Any) -> None:
        _queue_end(pipe, org)
        if run_id:
            rollout.queue_end(pipe, org, run_id, verdict, by=by, reason=RUN_REASON, now_ms=now_ms)

    is_ended = await context.versions.execute_if(
        org,
        queue,
        live=verdict.version,
        first_look=shop.first_look,
        unchanged={FREEZE_KEY: encode_freeze(shop.freeze)},
    )
    return is_ended, run_id


async def _change(context: Context, shop: Shop, queue: Any) -> None:
    live = await context.versions.live_number(shop.org)
    if not await context.versions.execute_if(
        shop.org, queue, live=live, unchanged={FREEZE_KEY: encode_freeze(shop.freeze)}
    ):
        raise Refused(
            Sentence("somebody else changed shop {org} at the same moment: look again", org=shop.org)
        )


def _check_days(shop: Shop, first: int, last: int, *, now_ms: int, today: int) -> None:
    if last < first:
        raise WrongDays("last", "order", Sentence("the last day is before the first"))
    if last - first >= MAX_DAYS:
        raise WrongDays("last", "length", Sentence("a freeze has {days} days at most", days=MAX_DAYS))
    if last < today:
        raise WrongDays("last", "past", Sentence("the last day is over already"))
    if first > today + MAX_AHEAD_DAYS:
        raise WrongDays("first", "far", Sentence("the first day is more than a year ahead"))
    if shop.freeze is None or not shop.is_frozen(now_ms):
        return
    if shop.freeze.waiting_ms:
        raise Refused(Sentence("the freeze of shop {org} is over and waits for an approval", org=shop.org))
    if first != shop.freeze.first_day:
        raise WrongDays(
            "first", "begun", Sentence("the freeze has begun: its first day cannot be changed any more")
        )


def _freeze_of(shop: Shop) -> Freeze:
    if shop.freeze is None:
        raise Refused(Sentence("shop {org} is not frozen", org=shop.org))
    return shop.freeze


def _queue_end(pipe: Any, org: OrgId) -> None:
    queue_freeze(pipe, org, None)
    pending.queue_delete(pipe, _job(org, 0))


def queue_job(pipe: Any, org: OrgId, freeze: Freeze) -> None:
    """Add the command to a transaction that stores the job which ends the freeze."""
    pending.queue_save(pipe, _job(org, freeze.until_ms))


def _job(org: OrgId, due_ms: int) -> PendingJob:
    return PendingJob(org, "end_of_freeze", "F1", {}, due_ms)
