"""Scheduled publishing: rules go live at a set time. They are previewed when they are scheduled, and again when due.

Then a conflict (another version went live meanwhile) or the guard stops them: they wait for a person. An approval given
with the schedule holds as long as the change is about as large as it was then.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from service.context import Context
from service.cpu_pool import CpuRunner
from service.domain.access import Actor, Role
from service.domain.customers import OrgId
from service.domain.documents import canonical_json, content_id, parse_rules
from service.errors import NotFound, Refused, TaggerError
from service.publishing import rollout
from service.publishing.draft import Draft, create_draft
from service.publishing.preview import PreviewReport
from service.publishing.publish import Published, describe_effect, publish_draft, require_approval
from service.sentence import Sentence
from service.store import scheduled
from service.store.history import audit_log
from service.store.jobs import PendingJob
from service.store.rules import RulesChanged, Version
from service.store.scheduled import SCHEDULED_KEY, ScheduledPublish, Stop, StopReason
from service.store.shops import Shop

MAX_AHEAD_MS: Final = 366 * 86_400_000
FIRST_YEAR, LAST_YEAR = 1970, 9998  # others overflow in some time zone
LATE_MS: Final = 600_000  # a publish that is later than this says so
Outcome = Literal["published", "stopped", "gone", "retry"]


async def schedule_publish(
    context: Context,
    shop: Shop,
    draft: Draft,
    *,
    at_ms: int,
    by: Actor,
    note: str,
    approved: bool = False,
    replace: bool = False,
) -> ScheduledPublish:
    """Let the draft go live at `at_ms`. Raises NeedsApproval, Forbidden, and Refused.

    A scheduled publish is replaced only with `replace`: it has somebody's work.
    """
    by.require(Role.MARKETER, Sentence("schedule a publish"))
    require_approval(draft.report, approved=approved, by=by)
    now_ms = await context.now_ms()
    _check_time(at_ms, now_ms=now_ms)
    before = await scheduled.load(context.redis, shop.org)
    if before is not None and not replace:
        raise Refused(
            Sentence("shop {org} has a scheduled publish already: change it or cancel it", org=shop.org)
        )
    entry = ScheduledPublish(
        document=canonical_json(draft.rule_set).decode(),
        content=content_id(draft.rule_set),
        at_ms=at_ms,
        parent=draft.parent,
        by=by,
        note=note,
        scheduled_ms=now_ms,
        preview=draft.report.summary,
        is_approved=approved and draft.report.guard.needs_approval,
    )
    effect = describe_effect(draft.report, version=draft.parent + 1, approved=approved)
    summary = Sentence("for {moment}: {effect}", moment=_moment(at_ms), effect=effect)
    async with audit_log.recorded(context.redis, by, "schedule", org=shop.org, summary=summary):
        await _change(context, shop.org, before, entry, live=draft.parent)
    return entry


async def reschedule_publish(context: Context, org: OrgId, *, at_ms: int, by: Actor) -> ScheduledPublish:
    """Set another time. What was stopped is previewed again by then. Raises Forbidden, NotFound, Refused."""
    by.require(Role.MARKETER, Sentence("change a scheduled publish"))
    _check_time(at_ms, now_ms=await context.now_ms())
    before = await load_scheduled(context, org)
    if before.stop is not None:
        raise Refused(
            Sentence("this publish was stopped: look at the preview, then publish it or schedule it again")
        )
    entry = msgspec.structs.replace(before, at_ms=at_ms)
    summary = Sentence("from {before} to {after}", before=_moment(before.at_ms), after=_moment(at_ms))
    async with audit_log.recorded(context.redis, by, "reschedule", org=org, summary=summary):
        await _change(context, org, before, entry)
    return entry


async def cancel_scheduled(context: Context, org: OrgId, *, by: Actor) -> ScheduledPublish:
    """Delete the scheduled publish, and return what it was. Raises Forbidden, NotFound, Refused."""
    by.require(Role.MARKETER, Sentence("cancel a scheduled publish"))
    before = await load_scheduled(context, org)
    summary = Sentence("for {moment}, by {by}", moment=_moment(before.at_ms), by=before.by.name)
    async with audit_log.recorded(context.redis, by, "unschedule", org=org, summary=summary):
        await _change(context, org, before, None)
    return before


async def find(context: Context, org: OrgId) -> ScheduledPublish | None:
    """The scheduled publish of a shop, also one that was stopped."""
    return await scheduled.load(context.redis, org)


async def load_scheduled(context: Context, org: OrgId) -> ScheduledPublish:
    """The scheduled publish of a shop. Raises NotFound."""
    entry = await find(context, org)
    if entry is None:
        raise NotFound(Sentence("shop {org} has no scheduled publish", org=org))
    return entry


async def draft_scheduled(context: Context, shop: Shop, entry: ScheduledPublish) -> Draft:
    """Evaluate what publishing it now would change. Raises Refused."""
    return await create_draft(context, shop, parse_rules(entry.document))


async def publish_scheduled(
    context: Context, shop: Shop, entry: ScheduledPublish, draft: Draft, *, by: Actor, approved: bool = False
) -> Published:
    """Publish it now: before its time, or after a stop. It replaces what is live. Raises NeedsApproval, Forbidden, Refused."""
    return await publish_draft(
        context,
        shop,
        draft,
        by=by,
        note=entry.note,
        approved=approved,
        unchanged={SCHEDULED_KEY: scheduled.encode(entry)},
        extend=lambda pipe: scheduled.queue_delete(pipe, shop.org),
    )


async def execute(context: Context, cpu: CpuRunner, job: PendingJob) -> bool:
    """Publish what is due, or stop it. False if something changed meanwhile: the job is tried again."""
    return await cpu.run(publish_due, job.org) != "retry"


async def publish_due(context: Context, org: OrgId) -> Outcome:
    """Preview the scheduled publish again, and publish or stop it. Runs in the CPU pool."""
    entry, shop = await scheduled.load(context.redis, org), await context.shops.get_or_raise(org)
    now_ms = await context.now_ms()
    if entry is None or entry.stop is not None or entry.at_ms > now_ms:
        return "gone"  # cancelled, or moved: its new job waits for its time
    live = await context.versions.live(org)
    number = live.number if live is not None else 0
    if live is not None and live.content == entry.content:  # somebody has published the same rules
        return await _settle(context, org, entry, None, live=number)
    if number != entry.parent:
        return await _stop(context, org, entry, Stop("conflict", now_ms, number))
    try:
        draft = await draft_scheduled(context, shop, entry)
    except TaggerError as exc:
        return await _stop(context, org, entry, _refusal(exc, now_ms=now_ms, live=number))
    report = draft.report
    if report.guard.needs_approval and not _is_approved(entry, report):
        preview = report.preview
        stop = Stop("guard", now_ms, number, preview.touched, preview.removed)
        return await _stop(context, org, entry, stop)
    try:
        await publish_draft(
            context,
            shop,
            draft,
            by=entry.by,
            note=entry.note,
            approved=entry.is_approved,
            action="publish_scheduled",
            scheduled_ms=entry.at_ms,
            unchanged={SCHEDULED_KEY: scheduled.encode(entry)},
            extend=lambda pipe: scheduled.queue_delete(pipe, org),
        )
    except Refused:  # somebody published, or changed the schedule, at this moment
        return "retry"
    return "published"


def moment_ms(local: datetime, timezone: str) -> int:
    """The moment of a day and time on the clock of a time zone. A time that the clock skips counts as after the gap.

    Raises Refused for a year that no schedule can have.
    """
    if not FIRST_YEAR <= local.year <= LAST_YEAR:
        raise Refused(Sentence("the year {year} makes no sense", year=local.year))
    return int(local.replace(tzinfo=ZoneInfo(timezone)).timestamp() * 1000)


def describe_stop(entry: ScheduledPublish) -> str:
    """Why a scheduled publish was stopped, and what to do, for an alert."""
    stop = entry.stop
    assert stop is not None  # noqa: S101  # the caller has checked it
    reasons: dict[StopReason, str] = {
        "conflict": f"version {stop.live} went live after it was scheduled over version {entry.parent}",
        "guard": f"it would touch {stop.touched} customers and remove {stop.removed} tags, which needs an approval",
        "refused": f"the shop does not accept its rules: {stop.text}",
    }
    return f"the publish that {entry.by.name} scheduled for {_moment(entry.at_ms)} was stopped: {reasons[stop.reason]}"


def _refusal(exc: TaggerError, *, now_ms: int, live: int) -> Stop:
    """The stop of a publish whose rules the shop does not accept any more."""
    stop, message = Stop("refused", now_ms, live, text=str(exc)), exc.message
    if not isinstance(message, Sentence):
        return stop
    params = {name: str(value) for name, value in message.params.items()}
    return msgspec.structs.replace(stop, template=message.template, params=params)


def is_late(version: Version) -> bool:
    """Whether a scheduled publish went live much later than it was due, because no worker ran."""
    return bool(version.scheduled_ms) and version.at_ms - version.scheduled_ms > LATE_MS


def _is_approved(entry: ScheduledPublish, report: PreviewReport) -> bool:
    """Whether the change is about as large as the one that was approved."""
    approved, preview = entry.preview, report.preview
    return (
        entry.is_approved
        and preview.touched <= rollout.with_tolerance(approved["touched"])
        and preview.removed <= rollout.with_tolerance(approved["removed"])
    )


async def _stop(context: Context, org: OrgId, entry: ScheduledPublish, stop: Stop) -> Outcome:
    stopped = msgspec.structs.replace(entry, stop=stop)
    outcome = await _settle(context, org, entry, stopped, live=stop.live)
    return "stopped" if outcome == "gone" else outcome


async def _settle(
    context: Context, org: OrgId, before: ScheduledPublish, after: ScheduledPublish | None, *, live: int
) -> Outcome:
    is_settled = await context.versions.execute_if(
        org,
        lambda pipe: _queue(pipe, org, after),
        live=live,
        unchanged={SCHEDULED_KEY: scheduled.encode(before)},
    )
    return "gone" if is_settled else "retry"


async def _change(
    context: Context,
    org: OrgId,
    before: ScheduledPublish | None,
    after: ScheduledPublish | None,
    *,
    live: int | None = None,
) -> None:
    number = await context.versions.live_number(org) if live is None else live
    if not await context.versions.execute_if(
        org,
        lambda pipe: _queue(pipe, org, after),
        live=number,
        unchanged={SCHEDULED_KEY: scheduled.encode(before)},
    ):
        raise RulesChanged(
            Sentence("the rules or the scheduled publish have changed meanwhile: look at the preview again"),
            live=await context.versions.live_number(org),
        )


def _queue(pipe: Any, org: OrgId, entry: ScheduledPublish | None) -> None:
    if entry is None:
        scheduled.queue_delete(pipe, org)
    else:
        scheduled.queue_save(pipe, org, entry)


def _check_time(at_ms: int, *, now_ms: int) -> None:
    if at_ms <= now_ms:
        raise Refused(Sentence("the time is over already: choose a later one, or publish now"))
    if at_ms > now_ms + MAX_AHEAD_MS:
        raise Refused(Sentence("the time is more than a year ahead"))


def _moment(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%MZ}"
