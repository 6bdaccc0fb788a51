"""Shadow mode: decisions are recorded and not written. At its end, the customers that differ are enqueued."""

from __future__ import annotations

from typing import Any, Final

from service.context import Context
from service.domain.access import Actor
from service.errors import Refused
from service.publishing import rollout
from service.publishing.draft import Draft, draft_live_rules
from service.publishing.publish import describe_effect, require_approval
from service.sentence import Sentence
from service.store.history import audit_log
from service.store.jobs import Run, runs
from service.store.shops import Shop, queue_first_look

RUN_REASON: Final = "shadow mode ended"


async def begin_shadow_mode(context: Context, shop: Shop, *, by: Actor) -> bool:
    """Begin shadow mode: from now on nothing is written, including earlier decisions. False if it was on already."""
    if shop.shadow:
        return False
    async with audit_log.recorded(
        context.redis, by, "shadow", org=shop.org, summary=Sentence("shadow mode on")
    ):
        await context.shops.set_shadow(shop.org, shadow=True)
    return True


async def draft_end_of_shadow_mode(context: Context, shop: Shop) -> Draft:
    """Evaluate what the live rules would write if shadow mode ended now. Raises Refused if it is off."""
    if not shop.shadow:
        raise Refused(Sentence("shop {org} is not in shadow mode: its decisions are written", org=shop.org))
    return await draft_live_rules(context, shop)


async def end_shadow_mode(
    context: Context, shop: Shop, draft: Draft, *, by: Actor, approved: bool = False
) -> Run | None:
    """End shadow mode; a worker then enqueues the customers that change, as a run.

    None if the shop has no rules, or if the end of its first look enqueues them. Raises NeedsApproval, or Forbidden
    for an approval by a marketer, or Refused if other rules were published since the draft, or the first look went on.
    """
    require_approval(draft.report, approved=approved, by=by)
    redis, org = context.redis, shop.org
    number = await context.versions.live_number(org)
    if number != draft.parent:
        raise Refused(
            Sentence(
                "version {number} is live, you looked at {parent}: look at what would be written now",
                number=number,
                parent=draft.parent,
            )
        )
    if (await context.shops.get_or_raise(org)).first_look != draft.first_look:
        raise Refused(
            Sentence(
                "the first look at shop {org} went on meanwhile: look at what would be written now", org=org
            )
        )
    has_rollout = bool(number) and not draft.is_deferred
    run_id, now_ms = await runs.next_id(redis, org, "publish"), await context.now_ms()

    def queue_rollout(pipe: Any) -> None:
        if has_rollout and draft.first_look == "waiting":
            queue_first_look(pipe, org, "complete")
        if has_rollout:
            rollout.queue_end(pipe, org, run_id, draft.verdict, by=by.name, reason=RUN_REASON, now_ms=now_ms)

    summary = describe_effect(draft.report, version=number, approved=approved)
    async with audit_log.recorded(redis, by, "live", org=org, summary=summary):
        await context.shops.set_shadow(org, shadow=False, extend=queue_rollout)
    return await runs.get(redis, org, run_id) if has_rollout else None
