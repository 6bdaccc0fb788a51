"""The webhook subscription of a shop: what is known of it, and requests that a worker makes at Haravan."""

from __future__ import annotations

import msgspec

from service.context import Context
from service.domain.access import Actor
from service.domain.customers import OrgId
from service.errors import Refused
from service.sentence import Sentence
from service.store.history import audit_log
from service.store.jobs import PendingJob, pending
from service.store.shops import SubscriptionAction, SubscriptionState, subscription

SUMMARY = Sentence("webhook subscription")


async def load_subscription(context: Context, org: OrgId) -> SubscriptionState:
    """What is known of the subscription, and what a worker still has to do."""
    return await subscription.load(context.redis, org)


async def request_subscription(
    context: Context, org: OrgId, action: SubscriptionAction, *, by: Actor
) -> SubscriptionState:
    """Ask Haravan about the subscription, or change it. A worker does it within seconds, and then knows more.

    A check changes nothing and leaves no entry in the audit log. Raises Refused while an earlier request is in progress.
    """
    known = await subscription.load(context.redis, org)
    if known.action is not None:
        if (known.action, known.requested_by) == (action, by.name):
            return known
        raise Refused(Sentence("an earlier request about the subscription is in progress: ask again"))
    if action != "check":
        await audit_log.record(context.redis, by, action, org=org, summary=SUMMARY)
    now_ms = await context.now_ms()
    wanted = msgspec.structs.replace(
        known, action=action, requested_ms=now_ms, requested_by=by.name, failure=""
    )
    async with context.redis.pipeline() as pipe:
        subscription.queue_save(pipe, org, wanted)
        pending.queue_save(pipe, PendingJob(org, "subscription", str(now_ms), {}))
        await pipe.execute()
    return wanted
