"""Replays: evaluate customers again. They are counted first; exactly these are marked, at a pace, until done or cancelled.

Only differences are written, so a second replay of the same customers writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from service.context import Context
from service.cpu_pool import CpuRunner
from service.domain.access import Actor
from service.domain.customers import CustomerId, OrgId
from service.domain.explain import Translator
from service.errors import NotFound, Refused
from service.locales import translator_for
from service.operations.customers import outcome_text
from service.operations.dead_letters import LetterFilter, find_letters
from service.publishing import first_look
from service.sentence import Sentence
from service.store.customers import snapshots
from service.store.history import DeliveryFilter, audit_log, deliveries
from service.store.jobs import PendingJob, Run, pending, replays, runs

MAX_PER_MINUTE: Final = 60_000
NO_PACE_STEP: Final = replays.MAX_AHEAD
MIN_STEP_MS: Final = 500
PAUSED_STEP_MS: Final = 2_000
MAX_CREDIT_MS: Final = 5_000  # after a worker's death the pace is not made up for longer than this


@dataclass(frozen=True, slots=True)
class Selection:
    """Which customers to evaluate again: by id, by their deliveries, by their dead letters, or all that are known."""

    customers: tuple[CustomerId, ...] = ()
    deliveries: DeliveryFilter | None = None
    dead_letters: LetterFilter | None = None
    everybody: bool = False


class ReplayArgs(msgspec.Struct, frozen=True):
    """Arguments of the job `replay`: the moment until which the pace was used."""

    credited_ms: int


async def count_replay(
    context: Context,
    org: OrgId,
    selection: Selection,
    *,
    by: Actor,
    on_found: Callable[[int], None] = lambda _: None,
) -> Run:
    """Count the customers of a selection, and freeze them for an hour: `start_replay` marks exactly these.

    Nothing else changes, so the audit log has no entry. Raises Refused unless the selection is one of four kinds and has
    customers. Raises it for all known customers before the shop's first look is complete: most are known from its walk.
    `on_found` gets a number that grows while customers are searched.
    """
    criteria = [selection.customers, selection.deliveries, selection.dead_letters, selection.everybody]
    if sum(bool(each) for each in criteria) != 1:
        raise Refused(
            Sentence("say what to replay: customers, deliveries, dead letters or everybody (one of them)")
        )
    matched, customers = 0, selection.customers
    if selection.deliveries is not None:
        matches = await deliveries.find_matches(context.redis, org, selection.deliveries, on_read=on_found)
        matched, customers = matches.deliveries, matches.customers
    elif selection.dead_letters is not None:
        letters = await find_letters(context.redis, org, selection.dead_letters)
        customers = tuple(letter.customer for letter in letters)
    elif selection.everybody:
        first_look.check_complete(await context.shops.get_or_raise(org))
        customers = tuple(sorted(await snapshots.known_ids(context.redis, org, on_found=on_found)))
    unique = tuple(dict.fromkeys(customers))
    if not unique:
        raise Refused(Sentence("nothing to replay: no customer matches"))
    return await replays.save_count(
        context.redis,
        org,
        unique,
        by=by.name,
        selection=_ENCODE(selection).decode(),
        deliveries=matched,
        now_ms=await context.now_ms(),
    )


async def start_replay(
    context: Context, org: OrgId, run_id: str, *, by: Actor, reason: str = "", per_minute: int = 0
) -> Run:
    """Start what was counted: a worker marks the customers in the bulk lane, `per_minute` of them (0: as many as fit).

    A replay that is started already is returned as it is. Raises NotFound if the count is older than an hour.
    """
    if not 0 <= per_minute <= MAX_PER_MINUTE:
        raise Refused(Sentence("the pace is 0 to {most} customers a minute", most=MAX_PER_MINUTE))
    run = await _replay(context, org, run_id)
    if not run.counted:
        return run
    text = describe_run(run, words=translator_for("en"))
    summary = Sentence("run {run}, customers: {count}", run=run.id, count=run.total)
    async with audit_log.recorded(context.redis, by, "replay", org=org, summary=summary):
        return await replays.start(
            context.redis,
            org,
            run.id,
            by=by.name,
            reason=reason or text,
            per_minute=per_minute,
            now_ms=await context.now_ms(),
        )


async def pause_replay(context: Context, org: OrgId, run_id: str, *, by: Actor) -> Run:
    """Stop marking customers until the replay is resumed. The few hundred that are marked are still evaluated."""
    run = await _active(context, org, run_id)
    if not run.paused_by:
        async with audit_log.recorded(context.redis, by, "pause_replay", org=org, summary=_progress(run)):
            await replays.set_paused(context.redis, org, run.id, by=by.name)
    return await runs.get(context.redis, org, run.id)


async def resume_replay(context: Context, org: OrgId, run_id: str, *, by: Actor) -> Run:
    """Go on marking the customers of a paused replay."""
    run = await _active(context, org, run_id)
    if run.paused_by:
        async with audit_log.recorded(context.redis, by, "resume_replay", org=org, summary=_progress(run)):
            await replays.set_paused(context.redis, org, run.id, by="")
    return await runs.get(context.redis, org, run.id)


async def cancel_replay(context: Context, org: OrgId, run_id: str, *, by: Actor) -> Run:
    """End a replay. What was written stays: it is right. The few hundred that are marked are still evaluated."""
    run = await _active(context, org, run_id)
    async with audit_log.recorded(context.redis, by, "cancel_replay", org=org, summary=_progress(run)):
        await runs.end(context.redis, org, run.id, reason="cancelled")
    return await runs.get(context.redis, org, run.id)


async def execute(context: Context, _: CpuRunner, job: PendingJob) -> bool:
    """Execute the next step of a replay: mark as many customers as its pace allows. Returns whether it was the last."""
    redis, org, now_ms = context.redis, job.org, await context.now_ms()
    try:
        run = await runs.get(redis, org, job.id)
    except NotFound:  # older than the retention of runs
        await replays.complete(redis, job)
        return True
    if run.ended:
        await replays.complete(redis, job)
        return True
    if run.paused_by:
        await _save_step(context, job, credited_ms=now_ms, due_ms=now_ms + PAUSED_STEP_MS)
        return False
    count, credited_ms = credit(
        run.per_minute, since_ms=msgspec.convert(job.args, ReplayArgs).credited_ms, now_ms=now_ms
    )
    marked = await replays.mark_next(redis, org, job.id, count)
    if marked >= run.waiting:
        await replays.complete(redis, job)
        return True
    interval_ms = 60_000 // run.per_minute if run.per_minute else MIN_STEP_MS
    await _save_step(context, job, credited_ms=credited_ms, due_ms=now_ms + max(MIN_STEP_MS, interval_ms))
    return False


def credit(per_minute: int, *, since_ms: int, now_ms: int) -> tuple[int, int]:
    """How many customers a pace allows to mark now, and the moment until which it is used then.

    `since_ms`: the moment until which it was used before. Without a pace (0) only `replays.MAX_AHEAD` limits.
    """
    if not per_minute:
        return NO_PACE_STEP, now_ms
    since_ms = min(max(since_ms, now_ms - max(MAX_CREDIT_MS, 60_000 // per_minute)), now_ms)
    count = (now_ms - since_ms) * per_minute // 60_000
    return count, since_ms + count * 60_000 // per_minute


def describe(selection: Selection, *, words: Translator, timezone: str = "UTC") -> str:
    """The selection in words: what is counted, and what a run is about."""
    if selection.customers:
        return words.plural("replay.selected.customers", len(set(selection.customers)))
    if selection.dead_letters is not None:
        cause = selection.dead_letters.kind
        return words("replay.selected.letters_of", cause=cause) if cause else words("replay.selected.letters")
    if selection.deliveries is None:
        return words("replay.selected.everybody")
    wanted = selection.deliveries
    parts = [words("replay.selected.deliveries")]
    if wanted.topics:
        parts.append(words("replay.selected.topics", topics=", ".join(wanted.topics)))
    if wanted.outcomes:
        outcomes = ", ".join(outcome_text(each, words=words) for each in wanted.outcomes)
        parts.append(words("replay.selected.outcomes", outcomes=outcomes))
    if wanted.customers:
        parts.append(words.plural("replay.selected.of_customers", len(wanted.customers)))
    if wanted.since_ms:
        parts.append(words("replay.selected.since", moment=_moment(wanted.since_ms, words, timezone)))
    if wanted.until_ms is not None:
        parts.append(words("replay.selected.until", moment=_moment(wanted.until_ms, words, timezone)))
    return " · ".join(parts)


def describe_run(run: Run, *, words: Translator, timezone: str = "UTC") -> str:
    """What a replay selected, in words. "" for other runs."""
    if not run.selection:
        return ""
    return describe(_DECODE(run.selection), words=words, timezone=timezone)


async def _replay(context: Context, org: OrgId, run_id: str) -> Run:
    run = await runs.get(context.redis, org, run_id)
    if run.kind != "replay":
        raise Refused(Sentence("{run} is not a replay", run=run.id))
    return run


async def _active(context: Context, org: OrgId, run_id: str) -> Run:
    run = await _replay(context, org, run_id)
    if not run.is_active:
        raise Refused(Sentence("the replay {run} is not active", run=run.id))
    return run


async def _save_step(context: Context, job: PendingJob, *, credited_ms: int, due_ms: int) -> None:
    args = msgspec.to_builtins(ReplayArgs(credited_ms))
    await pending.save(context.redis, msgspec.structs.replace(job, args=args, due_ms=due_ms, failures=0))


def _progress(run: Run) -> Sentence:
    return Sentence(
        "run {run}, {remaining} of {count} customers remain",
        run=run.id,
        remaining=run.remaining,
        count=run.total,
    )


def _moment(ms: int, words: Translator, timezone: str) -> str:
    at = datetime.fromtimestamp(ms / 1000, ZoneInfo(timezone))
    return f"{words.day(at.date())} {at:%H:%M}" + (" UTC" if timezone == "UTC" else "")


_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(Selection).decode
