"""When a shop's work stops as a whole, and how it starts again."""

from __future__ import annotations

from typing import Any, Final

from redis.asyncio import Redis

from service.alerts import Alerts
from service.domain.customers import OrgId
from service.domain.failures import PROBE_EVERY_S
from service.errors import HaravanError, Unauthorised
from service.store import keys
from service.store.bucket import Bucket
from service.store.shop import Shop
from service.store.shops import UNAUTHORISED, Shops
from service.store.turns import Turn
from workers.haravan.client import Haravan
from workers.haravan.pacer import NoRoom
from workers.permits import ReadPermits

WORKER: Final = "worker"
GONE: Final = "gone"  # so many 404s that the token or the address must be wrong


async def pause_for_token(shops: Shops, alerts: Alerts, turn: Turn, exc: Unauthorised, *, token: str) -> None:
    """401 or 403: all work of the shop stops, its marks stay; a probe every 5 minutes or a new token resumes it.

    `token` is the refused one. Where another was stored while the call was on its way, its coming has ended a pause
    that was not there yet: looked at after pausing (and `set_token` looks after storing), one of the two sees the other.
    """
    await shops.pause(turn.org, reason=UNAUTHORISED, by=WORKER)
    await _probe_later(turn)
    shop = await shops.get(turn.org)
    if shop is not None and shop.token != token and shop.paused == UNAUTHORISED:
        await shops.resume(turn.org)
        return
    _tell_of_refusal(alerts, turn.org, exc)


async def pause_at_night(
    shops: Shops, alerts: Alerts, redis: Redis, shop: Shop, exc: Unauthorised, *, now_ms: int
) -> None:
    """As `pause_for_token`, where no turn is on: the sweep rings for the first probe."""
    probe_at = now_ms + int(PROBE_EVERY_S * 1000)
    client: Any = redis
    await shops.pause(shop.org, reason=UNAUTHORISED, by=WORKER)
    await client.hset(keys.shop(shop.org, "state"), "next_probe_ms", probe_at)
    await client.zadd(keys.partition_key(shop.org, "due_shops"), {shop.org: probe_at}, nx=True)
    now = await shops.get(shop.org)
    if now is not None and now.token != shop.token and now.paused == UNAUTHORISED:
        await shops.resume(shop.org)
        return
    _tell_of_refusal(alerts, shop.org, exc)


def _tell_of_refusal(alerts: Alerts, org: OrgId, exc: Unauthorised) -> None:
    alerts.raise_alert(
        UNAUTHORISED,
        f"Haravan refuses the shop's token ({exc.status}). Nothing is lost: work goes on once "
        f"`tagger shops token {org}` has a good one, or the scopes are back.",
        org=org,
    )


async def pause_for_absence(shops: Shops, alerts: Alerts, turn: Turn, *, gone: int, asked: int) -> None:
    """So many customers cannot have been deleted at once: believe none of it until a person has looked."""
    await shops.pause(turn.org, reason=GONE, by=WORKER)
    alerts.raise_alert(
        GONE,
        f"{gone} of {asked} customers answered 404: that is a wrong token or address, not deletions. "
        f"Check both, then `tagger shops resume {turn.org}`.",
        org=turn.org,
    )


async def probe(turn: Turn, shops: Shops, api: Haravan, bucket: Bucket) -> str:
    """One cheap read of a shop whose token was refused; it resumes the shop when it is answered."""
    if turn.state.get("paused") != UNAUTHORISED:
        return "paused"
    if int(turn.state.get("next_probe_ms", "0")) > turn.now_ms:
        return "still refused"
    await _probe_later(turn)
    try:
        await api.perform(api.dialect.count(), ReadPermits(turn, bucket, lane="live", reserve=0))
    except (HaravanError, NoRoom):
        return "still refused"
    await shops.resume(turn.org)
    return "resumed"


async def _probe_later(turn: Turn) -> None:
    await turn.save_state({"next_probe_ms": str(turn.now_ms + int(PROBE_EVERY_S * 1000))})
