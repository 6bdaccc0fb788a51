"""Calls to a shop's API from the command line: paced by the same bucket as the workers' own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from deploy.cli.access import Access, opened, org_id
from deploy.cli.output import errors

if TYPE_CHECKING:
    from service.store.shop import Shop
    from workers.haravan.calls import Call
    from workers.haravan.client import Haravan
    from workers.haravan.dialects import Dialect
    from workers.haravan.rate_limit import WaitingPermits

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Api:
    """One shop's API, open while a command runs."""

    access: Access
    shop: Shop
    client: Haravan
    pacer: WaitingPermits

    @property
    def dialect(self) -> Dialect:
        """The calls that this shop's API knows."""
        return self.client.dialect

    async def perform(self, call: Call[T]) -> T:
        """Make one call, when the bucket has room; raises HaravanError."""
        return await self.client.perform(call, self.pacer)


@asynccontextmanager
async def api_of(org: str) -> AsyncIterator[Api]:
    """Open the store, the shop and its API. Raises NotFound, StoreAway."""
    async with opened() as access:
        shop = await access.shops.require(org_id(org))
        async with calling(access, shop) as api:
            yield api


@asynccontextmanager
async def calling(access: Access, shop: Shop) -> AsyncIterator[Api]:
    """The API of a shop, also of one that is not stored yet."""
    from service.store.bucket import Bucket
    from workers.haravan.client import Haravan, open_session
    from workers.haravan.rate_limit import WaitingPermits

    async with open_session() as session:
        pacer = WaitingPermits(Bucket(access.redis), shop.org, lane="live", reserve=shop.reserve)
        yield Api(access, shop, Haravan.for_shop(shop, session), pacer)


async def confirm_token(access: Access, shop: Shop) -> None:
    """Refuse a token that opens another shop; warn where the API cannot tell. Raises Refused, HaravanError."""
    from service.errors import Refused

    async with calling(access, shop) as api:
        told = await api.perform(api.dialect.shop())
        found = str((told or {}).get("id") or "")
        if not found:
            await api.perform(api.dialect.count())  # a token that opens nothing at all is found out here
            errors().print(
                f"Note: the API does not say whose token this is; make sure that it is shop {shop.org}'s."
            )
        elif found != shop.org:
            raise Refused(f"this token opens shop {found}, not {shop.org}; nothing was stored")
