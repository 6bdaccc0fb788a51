"""Deliveries and dead letters: the webhooks that arrived, and the customers whose tags could not be written."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from service import operations
from service.context import Context
from service.domain.access import Role
from service.domain.customers import CustomerId, OrgId
from service.locales import translator_for
from service.store.history import DeliveryFilter, deliveries
from service.store.queue import dead_letters
from service.web.ops.requests import (
    SHOP_PATH,
    CustomerNumber,
    Endpoint,
    Language,
    Limit,
    Moment,
    Request,
    RequestModel,
    ResponseModel,
    to_model,
    to_ms,
)
from service.web.ops.runs import LettersWanted, ShortText

MAX_DEAD_LETTERS: Final = 1000
DeliveryId = Annotated[str, Meta(pattern=r"^[0-9]{1,15}-[0-9]{1,9}(\.[0-9]{1,4})?$")]


class TimeQuery(RequestModel, frozen=True):
    """A filter. `before` of a page gets the next, older page; a page with a filter may be short or empty before the last.

    An outcome is `marked`, `echo`, `ignored` (for any reason) or `ignored:reason`.
    """

    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET
    topic: ShortText | UnsetType = UNSET
    outcome: ShortText | UnsetType = UNSET
    before: DeliveryId | UnsetType = UNSET
    limit: Limit = 100


class DeliveriesQuery(TimeQuery, frozen=True):
    """A time span, or with `customer` the last 50 deliveries of one customer in it."""

    customer: CustomerNumber | UnsetType = UNSET


class RetryRequest(LettersWanted, frozen=True):
    """The dead letters that are retried; without any part all of them."""


class DropRequest(LettersWanted, frozen=True, kw_only=True):
    """The dead letters that are dropped, and why. The audit log keeps the reason: write no customer's name."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]


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


class LetterGroupModel(ResponseModel, frozen=True):
    """Letters with the same cause and text. `key` is the `group` of a filter. `fix` is what would most likely help."""

    key: str
    cause: str
    text: str
    fix: str
    customers: int
    last_ms: int
    transient: bool


class LetterGroupList(ResponseModel, frozen=True):
    """The largest group first."""

    groups: list[LetterGroupModel]


class LanguageQuery(RequestModel, frozen=True):
    """The language of the sentences."""

    lang: Language = "vi"


class LettersResponse(ResponseModel, frozen=True):
    """How many customers the letters were of."""

    customers: int


async def list_deliveries(context: Context, request: Request) -> DeliveryList:
    """Recorded deliveries, newest first: the last 50 of one customer, or all in pages."""
    await context.shops.get_or_raise(request.org)
    query: DeliveriesQuery = request.model
    if query.customer is UNSET:
        return await _page(context, request.org, query)
    rows = await deliveries.list_for_customer(
        context.redis, request.org, CustomerId(query.customer), _filter(query)
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


async def group_dead_letters(context: Context, request: Request) -> LetterGroupList:
    """Open dead letters by cause, with the likely fix."""
    await context.shops.get_or_raise(request.org)
    query: LanguageQuery = request.model
    letters = await dead_letters.list_open(context.redis, request.org)
    groups = operations.group_letters(letters, words=translator_for(query.lang))
    return LetterGroupList(
        [
            LetterGroupModel(
                key=group.key,
                cause=group.cause,
                text=group.text,
                fix=group.fix,
                customers=len(group.letters),
                last_ms=group.last_ms,
                transient=group.is_transient,
            )
            for group in groups
        ]
    )


async def retry_dead_letters(context: Context, request: Request) -> LettersResponse:
    """Evaluate customers with dead letters again. A success closes their letters."""
    await context.shops.get_or_raise(request.org)
    body: RetryRequest = request.model
    retried = await operations.retry_dead_letters(context, request.org, body.to_filter(), by=request.by)
    return LettersResponse(len(retried))


async def drop_dead_letters(context: Context, request: Request) -> LettersResponse:
    """Close dead letters without evaluating their customers."""
    await context.shops.get_or_raise(request.org)
    body: DropRequest = request.model
    dropped = await operations.drop_dead_letters(
        context, request.org, body.to_filter(), by=request.by, reason=body.reason
    )
    return LettersResponse(len(dropped))


def _filter(query: TimeQuery) -> DeliveryFilter:
    return DeliveryFilter(
        since_ms=to_ms(query.since) or 0,
        until_ms=to_ms(query.until),
        topics=() if query.topic is UNSET else (query.topic,),
        outcomes=() if query.outcome is UNSET else (query.outcome,),
    )


async def _page(context: Context, org: OrgId, query: TimeQuery) -> DeliveryList:
    page = await deliveries.list_deliveries(
        context.redis,
        org,
        _filter(query),
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
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
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
GROUP_EXAMPLE: Final[dict[str, Any]] = {
    "key": "rejected|422: tag is too long",
    "cause": "rejected",
    "text": "Haravan không chấp nhận: 422: tag is too long",
    "fix": "Sửa quy tắc hoặc nhãn cho hợp lệ, rồi thử lại.",
    "customers": 2,
    "last_ms": 1795154400000,
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
        "GET",
        f"{SHOP_PATH}/dead-letters/groups",
        group_dead_letters,
        LetterGroupList,
        {"groups": [GROUP_EXAMPLE]},
        LanguageQuery,
        role=Role.VIEWER,
    ),
    Endpoint(
        "POST",
        f"{SHOP_PATH}/dead-letters/retry",
        retry_dead_letters,
        LettersResponse,
        {"customers": 1},
        RetryRequest,
        {"all": {}, "some": {"customers": [1037889951]}, "a cause": {"cause": "rejected"}},
        role=Role.OPS,
    ),
    Endpoint(
        "POST",
        f"{SHOP_PATH}/dead-letters/drop",
        drop_dead_letters,
        LettersResponse,
        {"customers": 1},
        DropRequest,
        {"one customer": {"customers": [1037889951], "reason": "khách thử"}},
        role=Role.OPS,
    ),
)
