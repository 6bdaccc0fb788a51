"""Shadow mode begins and ends: decided and recorded, not written; when it ends, whoever is to be written is marked."""

from __future__ import annotations

from typing import Any, Final

from service.context import Context
from service.domain.rules import RuleSet
from service.errors import Refused
from service.publishing import preview, rollback, rollout
from service.publishing.draft import Draft, draft_for
from service.publishing.publish import NeedsApproval
from service.store.history import audit_log
from service.store.jobs import Run, runs
from service.store.shops import Shop

REASON: Final = "shadow mode ended"


async def begin_shadow_mode(context: Context, shop: Shop, *, by: str) -> bool:
    """Begin shadow mode: no write is begun from now on, not even of what was decided before. False: it was on."""
    if shop.shadow:
        return False
    await context.shops.set_shadow(shop.org, shadow=True)
    await audit_log.append(context.redis, shop.org, by=by, action="shadow", details={})
    return True


async def draft_end_of_shadow_mode(context: Context, shop: Shop) -> Draft:
    """What would be written if shadow mode ended now: the live rules as they are. Raises Refused where it is off."""
    if not shop.shadow:
        raise Refused(f"shop {shop.org} is not in shadow mode: what is decided is written")
    versions = context.versions
    live = await versions.live(shop.org)
    number, rule_set, back = 0, RuleSet(), preview.NO_RESTORES
    if live is not None:
        number, rule_set = live.number, await versions.document(shop.org, live.number)
        waiting = await rollout.pending_rollouts(context.redis, shop.org, until=number)
        rolled_back = {rollout.version_of(job) for job in waiting}
        back = await rollback.pending(context.redis, shop.org, rolled_back, live, versions=versions)
    past = await versions.inherited(shop.org, number)
    return await draft_for(context, shop, rule_set, past, number, back, number=number)


async def end_shadow_mode(
    context: Context, shop: Shop, drafted: Draft, *, by: str, approved: bool = False
) -> Run | None:
    """End shadow mode; a worker marks whoever changes by it, under a run. None where the shop has no rules.

    Raises NeedsApproval, or Refused where other rules went live since the draft.
    """
    if drafted.shown.guard.needs_approval and not approved:
        raise NeedsApproval(drafted.shown)
    redis, org = context.redis, shop.org
    number = await context.versions.live_number(org)
    if number != drafted.parent:
        raise Refused(
            f"version {number} is live, you looked at {drafted.parent}: look at what would be written now"
        )
    run_id, now_ms = await runs.next_id(redis, org, "publish"), await context.now_ms()

    def roll_out(pipe: Any) -> None:
        if number:
            rollout.queue_rollout(
                pipe,
                org,
                run_id,
                version=number,
                by=by,
                reason=REASON,
                may_remove=drafted.shown.preview.removed,
                now_ms=now_ms,
            )

    await context.shops.set_shadow(org, shadow=False, extend=roll_out)
    about = {"version": number, **drafted.shown.summary, "approved": approved}
    await audit_log.append(redis, org, by=by, action="live", details=about)
    return await runs.get(redis, org, run_id) if number else None
