"""What each operation of the ops API does."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar, cast

import msgspec
from arq.connections import ArqRedis
from msgspec import UNSET, UnsetType

from service.domain.customers import CustomerId, OrgId
from service.locales import words
from service.store import deadletters, deliveries, explaining, replays, runs
from service.store.shop import Shop
from service.store.shops import Shops
from service.store.versions import Versions
from service.web.metrics import ShopState, shop_states
from service.web.ops.models import (
    Answer,
    Asked,
    DeadLetterLine,
    DeadLetterList,
    DeliveriesQuery,
    DeliveryLine,
    DeliveryList,
    ExplainedCustomer,
    ExplainQuery,
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

A = TypeVar("A", bound=Answer)
LIST_MOST: Final = 1000


class Call(NamedTuple):
    """One authorised request: who asks, for which shop, and what."""

    by: str
    org: OrgId
    path: dict[str, Any]
    asked: Asked | None


class Operations:
    """The store's functions, told in the API's words. Each raises NotFound, Refused or redis' errors."""

    def __init__(self, redis: ArqRedis, shops: Shops) -> None:
        self._redis = redis
        self._shops = shops

    async def list_shops(self, _: Call) -> ShopList:
        """Every shop and how its work stands."""
        orgs = await self._shops.orgs()
        states = {state.org: state for state in await shop_states(self._redis, orgs)}
        found = [(await self._shops.get(org), states[org]) for org in orgs]
        return ShopList([_status(shop, state) for shop, state in found if shop is not None])

    async def shop_status(self, call: Call) -> ShopStatus:
        """One shop and how its work stands."""
        shop = await self._shops.require(call.org)
        [state] = await shop_states(self._redis, [call.org])
        return _status(shop, state)

    async def pause(self, call: Call) -> ShopStatus:
        """Stop all work of the shop; its marks stay, deliveries are recorded as before."""
        await self._shops.require(call.org)
        asked = cast("Pausing", call.asked)
        await self._shops.pause(call.org, reason=asked.reason, by=call.by)
        return await self.shop_status(call)

    async def resume(self, call: Call) -> ShopStatus:
        """Let the shop work again."""
        await self._shops.require(call.org)
        await self._shops.resume(call.org)
        return await self.shop_status(call)

    async def list_deliveries(self, call: Call) -> DeliveryList:
        """Recorded deliveries, newest first: of one customer's last 50, or in pages of everybody's."""
        await self._shops.require(call.org)
        asked = cast("DeliveriesQuery", call.asked)
        if asked.customer is UNSET:
            return await self._page(call.org, asked)
        found = await deliveries.by_customer(
            self._redis,
            call.org,
            CustomerId(asked.customer),
            since_ms=_ms(asked.since) or 0,
            until_ms=_ms(asked.until),
        )
        return DeliveryList([_line(each, DeliveryLine) for each in found[: asked.limit]], None)

    async def list_strangers(self, call: Call) -> DeliveryList:
        """Rightly signed deliveries for shops that we do not have."""
        return await self._page(deliveries.STRANGERS, cast("TimeQuery", call.asked))

    async def list_dead_letters(self, call: Call) -> DeadLetterList:
        """Open dead letters, the oldest first."""
        await self._shops.require(call.org)
        letters = await deadletters.open_letters(self._redis, call.org)
        return DeadLetterList([_line(letter, DeadLetterLine) for letter in letters[:LIST_MOST]])

    async def retry_dead_letters(self, call: Call) -> Retried:
        """Look at customers with dead letters again; a success closes their letters."""
        await self._shops.require(call.org)
        asked = cast("Retrying", call.asked)
        found = {each.customer for each in await deadletters.open_letters(self._redis, call.org)}
        wanted = found if asked.customers is UNSET else found & {CustomerId(each) for each in asked.customers}
        await deadletters.retry(self._redis, call.org, sorted(wanted))
        return Retried(len(wanted))

    async def drop_dead_letter(self, call: Call) -> Retried:
        """Close a customer's dead letters without doing anything."""
        await self._shops.require(call.org)
        await deadletters.drop(self._redis, call.org, CustomerId(call.path["customer"]))
        return Retried(0)

    async def start_replay(self, call: Call) -> Replayed:
        """Look at customers again, in the bulk lane. Twice makes no second write: only differences are written."""
        await self._shops.require(call.org)
        asked = cast("Replaying", call.asked)
        selection = await replays.select(
            self._redis,
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
            self._redis,
            call.org,
            selection,
            by=call.by,
            reason=asked.reason,
            now_ms=await self._now_ms(),
        )
        return Replayed(len(selection.customers), selection.said, _line(run, RunLine))

    async def list_replays(self, call: Call) -> RunList:
        """The newest runs of any kind."""
        await self._shops.require(call.org)
        return RunList([_line(run, RunLine) for run in await runs.latest(self._redis, call.org)])

    async def replay_status(self, call: Call) -> RunLine:
        """One run as it stands."""
        await self._shops.require(call.org)
        return _line(await runs.get(self._redis, call.org, call.path["run"]), RunLine)

    async def explain_customer(self, call: Call) -> ExplainedCustomer:
        """Why a customer has its tags or not, by what we have stored: Haravan is asked nothing."""
        asked = cast("ExplainQuery", call.asked)
        told = await explaining.explain(
            self._redis,
            await self._shops.require(call.org),
            CustomerId(call.path["customer"]),
            versions=Versions(self._redis),
            now_ms=await self._now_ms(),
            on=None if asked.on is UNSET else asked.on,
            number=0 if asked.version is UNSET else asked.version,
        )
        return ExplainedCustomer(**told.data(words=words(asked.lang), tag=asked.tag))

    async def _now_ms(self) -> int:
        seconds, micros = await cast("Any", self._redis).time()
        return int(seconds * 1000 + micros // 1000)

    async def _page(self, org: OrgId, asked: TimeQuery) -> DeliveryList:
        page = await deliveries.by_time(
            self._redis,
            org,
            since_ms=_ms(asked.since) or 0,
            until_ms=_ms(asked.until),
            before=None if asked.before is UNSET else asked.before,
            limit=asked.limit,
        )
        return DeliveryList([_line(each, DeliveryLine) for each in page.deliveries], page.before)


def _status(shop: Shop, state: ShopState) -> ShopStatus:
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
        due=state.due,
        oldest_due_s=round(state.oldest_s, 3),
        dead_letters=state.dead_letters,
        bucket_level=round(state.bucket_level, 1),
    )


def _line(value: object, kind: type[A]) -> A:
    return msgspec.convert(value, kind, from_attributes=True)


def _ms(moment: datetime | UnsetType) -> int | None:
    return None if moment is UNSET else max(0, int(moment.timestamp() * 1000))
