"""Shadow mode begins and ends: decided and recorded, not written; when it ends, whoever is to be written is marked."""

from __future__ import annotations

from typing import Any, Final

from service.context import Context
from service.domain.rules import RuleSet
from service.errors import Refused
from service.store import audit, drafts, previews, publish_runs, restoring, runs
from service.store.drafts import Draft
from service.store.publishing import NeedsApproval
from service.store.runs import Run
from service.store.shop import Shop

REASON: Final = "shadow mode ended"


async def enable_shadow(context: Context, shop: Shop, *, by: str) -> bool:
    """Begin shadow mode: no write is begun from now on, not even of what was decided before. False: it was on."""
    if shop.shadow:
        return False
    await context.shops.set_shadow(shop.org, shadow=True)
    await audit.append(context.redis, shop.org, by=by, what="shadow", about={})
    return True


async def draft_disable_shadow(context: Context, shop: Shop) -> Draft:
    """What would be written if shadow mode ended now: the live rules as they are. Raises Refused where it is off."""
    if not shop.shadow:
        raise Refused(f"shop {shop.org} is not in shadow mode: what is decided is written")
    versions = context.versions
    live = await versions.live(shop.org)
    number, rule_set, back = 0, RuleSet(), previews.NO_RESTORES
    if live is not None:
        number, rule_set = live.number, await versions.document(shop.org, live.number)
        waiting = await publish_runs.pending_rollouts(context.redis, shop.org, until=number)
        rolled_back = {publish_runs.version_of(job) for job in waiting}
        back = await restoring.pending(context.redis, shop.org, rolled_back, live, versions=versions)
    past = await versions.inherited(shop.org, number)
    return await drafts.draft_for(context, shop, rule_set, past, number, back, number=number)


async def disable_shadow(
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
            publish_runs.queue_rollout(
                pipe,
                org,
                run_id,
                version=number,
                by=by,
                reason=REASON,
                may_remove=drafted.shown.preview.removed,
                now_ms=now_ms,
            )

    await context.shops.set_shadow(org, shadow=False, also=roll_out)
    about = {"version": number, **drafted.shown.summary, "approved": approved}
    await audit.append(redis, org, by=by, what="live", about=about)
    return await runs.get(redis, org, run_id) if number else None
