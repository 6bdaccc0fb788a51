"""Deliveries: the webhooks that arrived, and what became of each."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import Role
from service.domain.customers import CustomerId, OrgId
from service.store.history import deliveries
from service.web.ops.activity.filters import DeliveriesQuery
from service.web.ops.contract import (
    SHOP_PATH,
    CustomerNumber,
    Endpoint,
    PageModel,
    Request,
    ResponseModel,
    cut_page,
    decode_cursor,
    encode_cursor,
    to_model,
)

DeliveryId = Annotated[str, Meta(pattern=r"^[0-9]{1,15}-[0-9]{1,9}(\.[0-9]{1,4})?$")]


class ShopDeliveriesQuery(DeliveriesQuery, frozen=True, kw_only=True):
    """With `customer` the last 50 deliveries of one customer, as far as they match."""

    customer: CustomerNumber | UnsetType = UNSET


class DeliveryModel(ResponseModel, frozen=True):
    """One recorded delivery. Bodies are never stored."""

    id: str
    at_ms: int
    customer: int | None
    outcome: str
    repeats: int
    topic: str
    signature: str
    size: int
    test: bool
    org: str
    traceparent: str  # refers to the trace of its request; "" if that was not traced


class DeliveryList(PageModel, frozen=True):
    """Newest first."""

    deliveries: list[DeliveryModel]


async def list_deliveries(context: Context, request: Request) -> DeliveryList:
    """Recorded deliveries, newest first: the last 50 of one customer, or all."""
    await context.shops.get_or_raise(request.org)
    query: ShopDeliveriesQuery = request.model
    if query.customer is UNSET:
        return await _page(context, request.org, query)
    rows = await deliveries.list_for_customer(
        context.redis, request.org, CustomerId(query.customer), query.to_filter()
    )
    page, following = cut_page(rows, query, position=_age, kind=list[int])
    return DeliveryList([to_model(row, DeliveryModel) for row in page], next=following)


async def list_unknown_shop_deliveries(context: Context, request: Request) -> DeliveryList:
    """Correctly signed deliveries for unknown shops, newest first."""
    return await _page(context, deliveries.UNKNOWN_SHOP, request.model)


async def _page(context: Context, org: OrgId, query: DeliveriesQuery) -> DeliveryList:
    before = decode_cursor(query, DeliveryId)
    page = await deliveries.list_deliveries(
        context.redis, org, query.to_filter(), before=before, limit=query.limit
    )
    following = None if page.before is None else encode_cursor(page.before)
    return DeliveryList([to_model(row, DeliveryModel) for row in page.deliveries], next=following)


def _age(delivery: deliveries.Delivery) -> list[int]:
    """A position that grows from the newest to the oldest."""
    return [-int(part) for part in delivery.id.replace(".", "-").split("-")]


DELIVERY_EXAMPLE: Final[dict[str, Any]] = {
    "id": "1795150800000-0.0",
    "at_ms": 1795150800000,
    "customer": 1037889951,
    "outcome": "marked",
    "repeats": 0,
    "topic": "orders/paid",
    "signature": "MPjRYKoc2I99nNv0x3bzx4lSRjDHD7OfV5C/UX5Ijbc=",
    "size": 4211,
    "test": False,
    "org": "",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
ENDPOINTS: Final = (
    Endpoint(
        "GET",
        f"{SHOP_PATH}/deliveries",
        list_deliveries,
        DeliveryList,
        {"deliveries": [DELIVERY_EXAMPLE], "next": "IjE3OTUxNTA4MDAwMDAtMC4wIg"},
        ShopDeliveriesQuery,
        role=Role.VIEWER,
    ),
    Endpoint(
        "GET",
        "/ops/v1/unknown-shops/deliveries",
        list_unknown_shop_deliveries,
        DeliveryList,
        {
            "deliveries": [DELIVERY_EXAMPLE | {"org": "1000000009", "outcome": "ignored:unknown_shop"}],
            "next": None,
        },
        DeliveriesQuery,
        role=Role.OPS,
        every_shop=True,
    ),
)
