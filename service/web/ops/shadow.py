"""The end of shadow mode: looked at, then done. Work for the process beside the web's."""

from __future__ import annotations

from typing import cast

from service.locales import words
from service.store import going_live
from service.web.ops.floor import Floor, line
from service.web.ops.models import RunLine
from service.web.ops.questions import Call
from service.web.ops.rule_models import GoingLive, WentLive
from service.web.ops.rule_operations import shown


async def end_shadow(floor: Floor, call: Call) -> WentLive:
    """End shadow mode, and mark everybody whose tags are not as the live rules say.

    It obeys the guard like a publish, and is refused with 409 where the shop is not in shadow mode.
    """
    asked = cast("GoingLive", call.asked)
    shop = await floor.shops.require(call.org)
    now = await floor.now_ms()
    draft = await going_live.draft_live(floor.redis, shop, versions=floor.versions, now_ms=now)
    if asked.dry_run:
        return WentLive(shown(draft, words(asked.lang)), None, shadow=True)
    run = await going_live.go_live(
        floor.redis,
        shop,
        draft,
        shops=floor.shops,
        versions=floor.versions,
        by=call.by,
        now_ms=now,
        approved=asked.approve,
    )
    return WentLive(None, None if run is None else line(run, RunLine), shadow=False)
