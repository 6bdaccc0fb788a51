"""Shadow mode begins and ends: decided and recorded, not written; when it ends, whoever is to be written is marked."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from arq.connections import ArqRedis

from service.domain.customers import OrgId
from service.domain.rules import RuleSet
from service.errors import Refused
from service.store import audit, drafts, keys, previews, publish_runs, restoring, runs
from service.store.drafts import Draft
from service.store.publish_runs import Books
from service.store.publishing import NeedsApproval
from service.store.runs import Run
from service.store.shop import Shop
from service.store.shops import Shops
from service.store.versions import Versions

GOING_LIVE: Final = (
    "going_live"  # field of the shop's state: shadow mode ends, and the marks are not all there
)
REASON: Final = "shadow mode ended"


class Begun(msgspec.Struct, frozen=True):
    """What somebody who goes on with the end of a shadow mode must know."""

    at_ms: int
    version: int
    by: str
    may_remove: int


async def go_dark(redis: ArqRedis, shop: Shop, *, shops: Shops, by: str) -> bool:
    """Begin shadow mode: no write is begun from now on, not even of what was decided before. False: it was on."""
    if shop.shadow:
        return False
    await shops.set_shadow(shop.org, shadow=True)
    await audit.record(redis, shop.org, by=by, what="shadow", about={})
    return True


async def draft_live(redis: ArqRedis, shop: Shop, *, versions: Versions, now_ms: int) -> Draft:
    """What would be written if shadow mode ended now: the live rules as they are. Raises Refused where it is off."""
    if not shop.shadow:
        raise Refused(f"shop {shop.org} is not in shadow mode: what is decided is written")
    live = await versions.live(shop.org)
    number, rule_set, back = 0, RuleSet(), previews.NO_RESTORES
    if live is not None:
        number, rule_set = live.number, await versions.document(shop.org, live.number)
        back = await restoring.owed(redis, shop.org, live, versions=versions)
    past = await versions.past(shop.org, number)
    return await drafts.drafted_as(redis, shop, rule_set, past, number, versions, now_ms, back, number=number)


async def go_live(
    redis: ArqRedis,
    shop: Shop,
    drafted: Draft,
    *,
    shops: Shops,
    versions: Versions,
    by: str,
    now_ms: int,
    approved: bool = False,
) -> Run | None:
    """End shadow mode and mark whoever changes by it, under a run; None where there is nobody.

    Raises NeedsApproval, or Refused where other rules went live since the draft.
    """
    if drafted.shown.guard.needs_approval and not approved:
        raise NeedsApproval(drafted.shown)
    number = await versions.live_number(shop.org)
    if number != drafted.parent:
        raise Refused(
            f"version {number} is live, you looked at {drafted.parent}: look at what would be written now"
        )
    begun = Begun(now_ms, number, by, drafted.shown.preview.removed)
    client: Any = redis
    await client.hset(keys.shop(shop.org, "state"), GOING_LIVE, msgspec.json.encode(begun))
    await shops.set_shadow(shop.org, shadow=False)
    about = {"version": number, **drafted.shown.summary, "approved": approved}
    await audit.record(redis, shop.org, by=by, what="live", about=about)
    return await _mark(redis, shop.org, begun, versions=versions, now_ms=now_ms)


async def finish(redis: ArqRedis, shop: Shop, *, versions: Versions, now_ms: int) -> Run | None:
    """Go on where a process died between the end of shadow mode and the marks; None when there is nothing to do."""
    client: Any = redis
    packed = await client.hget(keys.shop(shop.org, "state"), GOING_LIVE)
    begun = msgspec.json.decode(packed, type=Begun) if packed else None
    if begun is None or now_ms - begun.at_ms < runs.STILL_AT_IT_MS:
        return None
    if shop.shadow:  # it died before the end, or shadow mode began again: whoever ends it marks
        await client.hdel(keys.shop(shop.org, "state"), GOING_LIVE)
        return None
    return await _mark(redis, shop.org, begun, versions=versions, now_ms=now_ms)


async def _mark(redis: ArqRedis, org: OrgId, begun: Begun, *, versions: Versions, now_ms: int) -> Run | None:
    """By the rules that are live by now: a publish in between marked for a shop that may still have been dark."""
    live, run = await versions.live(org), None
    if live is not None:
        books = Books(begun.by, REASON, begun.may_remove) if live.number == begun.version else None
        run = await publish_runs.carry_out(redis, org, versions, live, now_ms=now_ms, books=books)
    client: Any = redis
    await client.hdel(keys.shop(org, "state"), GOING_LIVE)
    return run
