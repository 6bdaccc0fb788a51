"""Deliveries and dead letters: the webhooks that arrived, and the customers whose tags could not be written."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from service import operations
from service.context import Context
from service.domain.access import Role
from service.domain.customers import CustomerId, OrgId
from service.store.history import deliveries
from service.store.queue import dead_letters
from service.web.ops.requests import (
    SHOP_PATH,
    CustomerNumber,
    Endpoint,
    Limit,
    Moment,
    Request,
    RequestModel,
    ResponseModel,
    to_model,
    to_ms,
)

MAX_DEAD_LETTERS: Final = 1000
DeliveryId = Annotated[str, Meta(pattern=r"^[0-9]{1,15}-[0-9]{1,9}(\.[0-9]{1,4})?$")]


class TimeQuery(RequestModel, frozen=True):
    """A time span. `before` of a page gets the next, older page."""

    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET
    before: DeliveryId | UnsetType = UNSET
    limit: Limit = 100


class DeliveriesQuery(TimeQuery, frozen=True):
    """A time span, or with `customer` the last 50 deliveries of one customer in it."""

    customer: CustomerNumber | UnsetType = UNSET


class RetryRequest(RequestModel, frozen=True):
    """The customers whose dead letters are retried; without it all of them."""

    customers: Annotated[list[CustomerNumber], Meta(min_length=1, max_length=10_000)] | UnsetType = UNSET


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


class DeliveryList(ResponseModel, frozen=True):
    """Newest first; `before` is null on the last page."""

    deliveries: list[DeliveryModel]
    before: str | None


class DeadLetterModel(ResponseModel, frozen=True):
    """One open dead letter."""

    customer: int
    cause: str
    text: str
    first_ms: int
    last_ms: int
    count: int
    transient: bool


class DeadLetterList(ResponseModel, frozen=True):
    """Oldest first."""

    dead_letters: list[DeadLetterModel]


class RetryResponse(ResponseModel, frozen=True):
    """How many customers were queued."""

    customers: int


async def list_deliveries(context: Context, request: Request) -> DeliveryList:
    """Recorded deliveries, newest first: the last 50 of one customer, or all in pages."""
    await context.shops.get_or_raise(request.org)
    query: DeliveriesQuery = request.model
    if query.customer is UNSET:
        return await _page(context, request.org, query)
    rows = await deliveries.list_for_customer(
        context.redis,
        request.org,
        CustomerId(query.customer),
        since_ms=to_ms(query.since) or 0,
        until_ms=to_ms(query.until),
    )
    return DeliveryList([to_model(row, DeliveryModel) for row in rows[: query.limit]], None)


async def list_unknown_shop_deliveries(context: Context, request: Request) -> DeliveryList:
    """Correctly signed deliveries for unknown shops, newest first."""
    return await _page(context, deliveries.UNKNOWN_SHOP, request.model)


async def list_dead_letters(context: Context, request: Request) -> DeadLetterList:
    """Open dead letters, oldest first."""
    await context.shops.get_or_raise(request.org)
    letters = await dead_letters.list_open(context.redis, request.org)
    return DeadLetterList([to_model(letter, DeadLetterModel) for letter in letters[:MAX_DEAD_LETTERS]])


async def retry_dead_letters(context: Context, request: Request) -> RetryResponse:
    """Evaluate customers with dead letters again. A success closes their letters."""
    await context.shops.get_or_raise(request.org)
    body: RetryRequest = request.model
    given = None if body.customers is UNSET else [*map(CustomerId, body.customers)]
    retried = await operations.retry_dead_letters(context, request.org, customers=given, by=request.by)
    return RetryResponse(len(retried))


async def drop_dead_letter(context: Context, request: Request) -> RetryResponse:
    """Close a customer's dead letters without evaluating the customer."""
    await context.shops.get_or_raise(request.org)
    customer = CustomerId(request.path["customer"])
    await operations.discard_dead_letters(context, request.org, customer, by=request.by)
    return RetryResponse(0)


async def _page(context: Context, org: OrgId, query: TimeQuery) -> DeliveryList:
    page = await deliveries.list_deliveries(
        context.redis,
        org,
        since_ms=to_ms(query.since) or 0,
        until_ms=to_ms(query.until),
        before=None if query.before is UNSET else query.before,
        limit=query.limit,
    )
    return DeliveryList([to_model(row, DeliveryModel) for row in page.deliveries], page.before)


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
}
DEAD_LETTER_EXAMPLE: Final[dict[str, Any]] = {
    "customer": 1037890001,
    "cause": "rejected",
    "text": "422: tag is too long",
    "first_ms": 1795150800000,
    "last_ms": 1795154400000,
    "count": 3,
    "transient": False,
}
ENDPOINTS: Final = (
    Endpoint(
        "GET",
        f"{SHOP_PATH}/deliveries",
        list_deliveries,
        DeliveryList,
        {"deliveries": [DELIVERY_EXAMPLE], "before": "1795150800000-0.0"},
        DeliveriesQuery,
        role=Role.VIEWER,
    ),
    Endpoint(
        "GET",
        "/ops/v1/unknown-shops/deliveries",
        list_unknown_shop_deliveries,
        DeliveryList,
        {
            "deliveries": [DELIVERY_EXAMPLE | {"org": "1000000009", "outcome": "ignored:unknown_shop"}],
            "before": None,
        },
        TimeQuery,
        role=Role.OPS,
        every_shop=True,
    ),
    Endpoint(
        "GET",
        f"{SHOP_PATH}/dead-letters",
        list_dead_letters,
        DeadLetterList,
        {"dead_letters": [DEAD_LETTER_EXAMPLE]},
        role=Role.VIEWER,
    ),
    Endpoint(
        "POST",
        f"{SHOP_PATH}/dead-letters/retry",
        retry_dead_letters,
        RetryResponse,
        {"customers": 1},
        RetryRequest,
        {"everybody": {}, "some": {"customers": [1037889951]}},
        role=Role.OPS,
    ),
    Endpoint(
        "DELETE",
        f"{SHOP_PATH}/dead-letters/{{customer}}",
        drop_dead_letter,
        RetryResponse,
        {"customers": 0},
        role=Role.OPS,
    ),
)
