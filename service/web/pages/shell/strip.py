"""The health strip: whether a shop works, in one line on every page of the shop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from service.context import Context
from service.domain.customers import OrgId
from service.store.history import deliveries
from service.store.jobs import last_heartbeat_ms
from service.store.queue import load_backlogs
from service.store.shops import Shop

Level = Literal["good", "paused", "problem"]
MAX_WORKER_AGE_MS: Final = 60_000
MAX_QUEUE_AGE_S: Final = 300.0
API_CALLS: Final = 80  # the size of Haravan's bucket


@dataclass(frozen=True, slots=True)
class Strip:
    """The state of a shop at one moment. `state` names its text, `page.strip.STATE`."""

    org: OrgId
    level: Level
    state: str
    last_webhook_ms: int
    backlog: int
    oldest_s: float
    api_used: int
    dead_letters: int
    version: int
    paused_by: str
    paused_since_ms: int
    pause_reason: str
    is_shadow: bool


async def load_strip(context: Context, shop: Shop, *, now_ms: int) -> Strip:
    """Gather the state of a shop: five reads, each as short as possible."""
    [backlog] = await load_backlogs(context.redis, [shop.org])
    latest = (await deliveries.list_deliveries(context.redis, shop.org, limit=1)).deliveries
    level, state = judge(
        shop,
        worker_age_ms=now_ms - (await last_heartbeat_ms(context.redis) or 0),
        oldest_s=backlog.oldest_s,
    )
    return Strip(
        org=shop.org,
        level=level,
        state=state,
        last_webhook_ms=latest[0].at_ms if latest else 0,
        backlog=backlog.waiting,
        oldest_s=backlog.oldest_s,
        api_used=round(backlog.rate_limit_used),
        dead_letters=backlog.dead_letters,
        version=await context.versions.live_number(shop.org),
        paused_by=shop.paused_by,
        paused_since_ms=shop.paused_since_ms,
        pause_reason=shop.paused,
        is_shadow=shop.shadow,
    )


def judge(shop: Shop, *, worker_age_ms: int, oldest_s: float) -> tuple[Level, str]:
    """The worst of what is known. A pause is somebody's wish, and explains everything else."""
    if shop.paused:
        return "paused", "paused"
    if worker_age_ms > MAX_WORKER_AGE_MS:
        return "problem", "no_worker"
    if shop.removals_paused:
        return "problem", "removals_paused"
    if oldest_s > MAX_QUEUE_AGE_S:
        return "problem", "slow"
    return "good", "shadow" if shop.shadow else "running"
