"""Operations on shops, deliveries, dead letters and runs: small enough to be done between two webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Final, cast

from msgspec import UNSET, UnsetType

from service.domain.customers import CustomerId, OrgId
from service.errors import NotFound
from service.store import answers, audit, deadletters, deliveries, going_live, replays, runs
from service.store.queue import ShopBacklog, load_backlogs
from service.store.shop import Shop
from service.web.ops import late
from service.web.ops.floor import Floor, line
from service.web.ops.models import (
    AuditQuery,
    DeadLetterLine,
    DeadLetterList,
    DeedLine,
    DeedList,
    DeliveriesQuery,
    DeliveryLine,
    DeliveryList,
    LateAnswer,
    Pausing,
    Replayed,
    Replaying,
    Retried,
    Retrying,
    RunLine,
    RunList,
    ShopList,
    ShopStatus,
    TimeQuery,
)
from service.web.ops.questions import Call

LIST_MOST: Final = 1000


async def list_shops(floor: Floor, _: Call) -> ShopList:
    """Every shop and how its work stands."""
    orgs = await floor.shops.orgs()
    states = {state.org: state for state in await load_backlogs(floor.redis, orgs)}
    found = [(await floor.shops.get(org), states[org]) for org in orgs]
    return ShopList([_status(shop, state) for shop, state in found if shop is not None])


async def shop_status(floor: Floor, call: Call) -> ShopStatus:
    """One shop and how its work stands."""
    shop = await floor.shops.require(call.org)
    [state] = await load_backlogs(floor.redis, [call.org])
    return _status(shop, state)


async def pause(floor: Floor, call: Call) -> ShopStatus:
    """Stop all work of the shop; its marks stay, deliveries are recorded as before."""
    await floor.shops.require(call.org)
    asked = cast("Pausing", call.asked)
    await floor.shops.pause(call.org, reason=asked.reason, by=call.by)
    return await shop_status(floor, call)


async def resume(floor: Floor, call: Call) -> ShopStatus:
    """Let the shop work again."""
    await floor.shops.require(call.org)
    await floor.shops.resume(call.org)
    return await shop_status(floor, call)


async def begin_shadow(floor: Floor, call: Call) -> ShopStatus:
    """Begin shadow mode: decisions are recorded, no write is begun. Where it has begun already, nothing happens."""
    shop = await floor.shops.require(call.org)
    await going_live.go_dark(floor.redis, shop, shops=floor.shops, by=call.by)
    return await shop_status(floor, call)


async def list_deliveries(floor: Floor, call: Call) -> DeliveryList:
    """Recorded deliveries, newest first: of one customer's last 50, or in pages of everybody's."""
    await floor.shops.require(call.org)
    asked = cast("DeliveriesQuery", call.asked)
    if asked.customer is UNSET:
        return await _page(floor, call.org, asked)
    found = await deliveries.by_customer(
        floor.redis,
        call.org,
        CustomerId(asked.customer),
        since_ms=_ms(asked.since) or 0,
        until_ms=_ms(asked.until),
    )
    return DeliveryList([line(each, DeliveryLine) for each in found[: asked.limit]], None)


async def list_strangers(floor: Floor, call: Call) -> DeliveryList:
    """Rightly signed deliveries for shops that we do not have."""
    return await _page(floor, deliveries.STRANGERS, cast("TimeQuery", call.asked))


async def list_dead_letters(floor: Floor, call: Call) -> DeadLetterList:
    """Open dead letters, the oldest first."""
    await floor.shops.require(call.org)
    letters = await deadletters.open_letters(floor.redis, call.org)
    return DeadLetterList([line(letter, DeadLetterLine) for letter in letters[:LIST_MOST]])


async def retry_dead_letters(floor: Floor, call: Call) -> Retried:
    """Look at customers with dead letters again; a success closes their letters."""
    await floor.shops.require(call.org)
    asked = cast("Retrying", call.asked)
    found = {each.customer for each in await deadletters.open_letters(floor.redis, call.org)}
    wanted = found if asked.customers is UNSET else found & {CustomerId(each) for each in asked.customers}
    await deadletters.retry(floor.redis, call.org, sorted(wanted))
    return Retried(len(wanted))


async def drop_dead_letter(floor: Floor, call: Call) -> Retried:
    """Close a customer's dead letters without doing anything."""
    await floor.shops.require(call.org)
    await deadletters.drop(floor.redis, call.org, CustomerId(call.path["customer"]))
    return Retried(0)


async def start_replay(floor: Floor, call: Call) -> Replayed:
    """Look at customers again, in the bulk lane. Twice makes no second write: only differences are written."""
    await floor.shops.require(call.org)
    asked = cast("Replaying", call.asked)
    selection = await replays.select(
        floor.redis,
        call.org,
        customers=[] if asked.customers is UNSET else [CustomerId(each) for each in asked.customers],
        since_ms=_ms(asked.since),
        until_ms=_ms(asked.until),
        topics=[] if asked.topics is UNSET else asked.topics,
        dead_letters=asked.dead_letters,
        everybody=asked.everybody,
    )
    if asked.dry_run:
        return Replayed(len(selection.customers), selection.said, None)
    run = await replays.start(
        floor.redis,
        call.org,
        selection,
        by=call.by,
        reason=asked.reason,
        now_ms=await floor.now_ms(),
    )
    return Replayed(len(selection.customers), selection.said, line(run, RunLine))


async def list_runs(floor: Floor, call: Call) -> RunList:
    """The newest replays, publishes and walks."""
    await floor.shops.require(call.org)
    return RunList([line(run, RunLine) for run in await runs.latest(floor.redis, call.org)])


async def run_status(floor: Floor, call: Call) -> RunLine:
    """A replay, publish or walk as it stands."""
    await floor.shops.require(call.org)
    return line(await runs.get(floor.redis, call.org, call.path["run"]), RunLine)


async def show_answer(floor: Floor, call: Call) -> LateAnswer:
    """What became of a request that was answered with 202. Answers are kept for an hour.

    While it is under way, whom it has marked so far is seen at `runs`. A 404 says that nobody is at it any more.
    """
    await floor.shops.require(call.org)
    name = call.path["answer"]
    found = late.shown(name, *await answers.look(floor.redis, call.org, name))
    if found is None:
        raise NotFound(
            "nobody is at that, or the answer is older than an hour: look at the runs and the audit log"
        )
    if found.answer is not None:
        await answers.heard(floor.redis, call.org, name)
    return found


async def list_deeds(floor: Floor, call: Call) -> DeedList:
    """What people did to the shop: the audit log, newest first."""
    await floor.shops.require(call.org)
    asked = cast("AuditQuery", call.asked)
    found = await audit.latest(floor.redis, call.org, most=asked.limit)
    return DeedList([line(each, DeedLine) for each in found])


async def _page(floor: Floor, org: OrgId, asked: TimeQuery) -> DeliveryList:
    page = await deliveries.by_time(
        floor.redis,
        org,
        since_ms=_ms(asked.since) or 0,
        until_ms=_ms(asked.until),
        before=None if asked.before is UNSET else asked.before,
        limit=asked.limit,
    )
    return DeliveryList([line(each, DeliveryLine) for each in page.deliveries], page.before)


def _status(shop: Shop, state: ShopBacklog) -> ShopStatus:
    return ShopStatus(
        org=shop.org,
        name=shop.name,
        dialect=shop.dialect,
        api_url=shop.api_url,
        timezone=shop.timezone,
        currency=shop.currency,
        reserve=shop.reserve,
        shadow=shop.shadow,
        paused=shop.paused,
        paused_since_ms=shop.paused_since_ms,
        paused_by=shop.paused_by,
        removals_paused=shop.removals_paused,
        due=state.customers,
        oldest_due_s=round(state.oldest_s, 3),
        dead_letters=state.dead_letters,
        bucket_level=round(state.rate_limit_used, 1),
    )


def _ms(moment: datetime | UnsetType) -> int | None:
    return None if moment is UNSET else max(0, int(moment.timestamp() * 1000))
