"""Endpoints of events: list, add, change, rotate the secret, replay, retry, remove."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import Role
from service.domain.events import EventType
from service.operations import EndpointStatus, NewSecret, endpoints
from service.store.events import endpoints as stored
from service.web.ops.contract import (
    SHOP_PATH,
    Endpoint,
    Moment,
    PageModel,
    PageQuery,
    Request,
    RequestModel,
    ResponseModel,
    cut_page,
    decode_cursor,
    encode_cursor,
    to_model,
    to_ms,
)

PATH: Final = f"{SHOP_PATH}/endpoints"
ONE: Final = PATH + "/{endpoint}"

Url = Annotated[str, Meta(min_length=1, max_length=2000, description="https://HOST/PATH")]
EntryId = Annotated[str, Meta(pattern="^[0-9]{1,20}-[0-9]{1,20}$")]
EventTypes = Annotated[list[EventType], Meta(min_length=1, max_length=4)]


class EndpointModel(ResponseModel, frozen=True):
    """An endpoint and how far it is. `disabled`: `by_hand`, `gone` (410) or `failing`; empty if events are sent.

    `is_behind`: events wait. `attempts`: failures of the next event in a row; `due_ms`: no attempt before.
    """

    id: str
    url: str
    events: list[EventType]
    disabled: str
    by: str
    created_ms: int
    is_behind: bool
    attempts: int
    due_ms: int | None
    delivered: int
    rejected: int
    succeeded_ms: int | None
    failed_ms: int | None
    failure: str


class EndpointsResponse(PageModel, frozen=True):
    """The endpoints of a shop, the oldest first."""

    endpoints: list[EndpointModel]


class AddEndpointRequest(RequestModel, frozen=True):
    """Where events are sent, and which; by default all types."""

    url: Url
    events: EventTypes | UnsetType = UNSET


class ChangeEndpointRequest(RequestModel, frozen=True):
    """What is left out stays. `disabled`: false goes on where the endpoint stopped."""

    url: Url | UnsetType = UNSET
    events: EventTypes | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class SecretResponse(ResponseModel, frozen=True):
    """An endpoint with its new secret, which is shown only in this answer."""

    id: str
    url: str
    events: list[EventType]
    secret: str


class ReplayEventsRequest(RequestModel, frozen=True):
    """Events since this moment are sent again."""

    since: Moment


class RetryResponse(ResponseModel, frozen=True):
    """How many rejected events are sent again."""

    retried: int


class RejectedEvent(ResponseModel, frozen=True):
    """An event that the endpoint rejected. `entry` is part of its `webhook-id`."""

    source: str
    entry: str
    at_ms: int
    cause: str


class RejectedResponse(PageModel, frozen=True):
    """The events that the endpoint rejected, newest first."""

    events: list[RejectedEvent]


async def list_endpoints(context: Context, request: Request) -> EndpointsResponse:
    """List the endpoints of a shop, and how far each is."""
    await context.shops.describe(request.org)
    return await _page(context, request, request.model)


async def add_endpoint(context: Context, request: Request) -> SecretResponse:
    """Add an endpoint. It gets what happens from now on, signed with the secret of the answer.

    An address of a private network is refused with 409 unless EVENT_NETWORKS has it.
    """
    body: AddEndpointRequest = request.model
    shop = await context.shops.describe(request.org)
    chosen: dict[str, Any] = {} if body.events is UNSET else {"events": body.events}
    return _secret(await endpoints.add_endpoint(context, shop, body.url, by=request.by, **chosen))


async def change_endpoint(context: Context, request: Request) -> EndpointsResponse:
    """Change the address or the types of events of an endpoint, disable it, or go on where it stopped."""
    body: ChangeEndpointRequest = request.model
    org, endpoint_id = request.org, str(request.path["endpoint"])
    await endpoints.change_endpoint(
        context,
        org,
        endpoint_id,
        url=None if body.url is UNSET else body.url,
        events=None if body.events is UNSET else body.events,
        disabled=None if body.disabled is UNSET else body.disabled,
        by=request.by,
    )
    return await _page(context, request, PageQuery())


async def rotate_endpoint_secret(context: Context, request: Request) -> SecretResponse:
    """Give an endpoint a new secret. For 24 hours requests are signed with the former one as well."""
    shop = await context.shops.describe(request.org)
    return _secret(await endpoints.rotate_secret(context, shop, str(request.path["endpoint"]), by=request.by))


async def replay_events(context: Context, request: Request) -> EndpointsResponse:
    """Send the events since a moment again, in their order and with the same ids."""
    body: ReplayEventsRequest = request.model
    await endpoints.replay_events(
        context, request.org, str(request.path["endpoint"]), since_ms=to_ms(body.since) or 0, by=request.by
    )
    return await _page(context, request, PageQuery())


async def list_rejected_events(context: Context, request: Request) -> RejectedResponse:
    """List the events that an endpoint rejected, newest first."""
    endpoint_id = str(request.path["endpoint"])
    await stored.get(context.redis, request.org, endpoint_id)
    query: PageQuery = request.model
    found = await stored.list_dead(
        context.redis,
        request.org,
        endpoint_id,
        limit=query.limit + 1,
        before=decode_cursor(query, EntryId) or "",
    )
    page = found[: query.limit]
    return RejectedResponse(
        [RejectedEvent(each.source, each.entry, each.at_ms, each.cause) for each in page],
        next=encode_cursor(page[-1].id) if len(found) > len(page) else None,
    )


async def retry_events(context: Context, request: Request) -> RetryResponse:
    """Send the events that an endpoint rejected once more, before all others."""
    endpoint_id = str(request.path["endpoint"])
    return RetryResponse(await endpoints.retry_rejected(context, request.org, endpoint_id, by=request.by))


async def delete_endpoint(context: Context, request: Request) -> EndpointsResponse:
    """Remove an endpoint. What it did not get is not sent."""
    await endpoints.remove_endpoint(context, request.org, str(request.path["endpoint"]), by=request.by)
    return await _page(context, request, PageQuery())


async def _page(context: Context, request: Request, query: PageQuery) -> EndpointsResponse:
    known = sorted(await endpoints.list_endpoints(context, request.org), key=_number)
    page, following = cut_page(known, query, position=_number, kind=int)
    return EndpointsResponse(
        [to_model(endpoints.to_plain(each), EndpointModel) for each in page], next=following
    )


def _number(status: EndpointStatus) -> int:
    return int(status.endpoint.id.removeprefix("E"))


def _secret(new: NewSecret) -> SecretResponse:
    return SecretResponse(new.endpoint.id, new.endpoint.url, list(new.endpoint.events), new.secret)


_EXAMPLE: Final = {
    "id": "E1",
    "url": "https://hooks.example.com/haravan",
    "events": ["customer.tagged", "customer.untagged"],
    "disabled": "",
    "by": "Lan",
    "created_ms": 1764000000000,
    "is_behind": False,
    "attempts": 0,
    "due_ms": None,
    "delivered": 1042,
    "rejected": 0,
    "succeeded_ms": 1764003600000,
    "failed_ms": None,
    "failure": "",
}
_LIST: Final = {"endpoints": [_EXAMPLE], "next": None}
_SECRET: Final = {
    "id": "E1",
    "url": "https://hooks.example.com/haravan",
    "events": ["customer.tagged", "customer.untagged"],
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAbCdEfGhIjk=",
}
_REJECTED: Final = {
    "events": [{"source": "ledger", "entry": "1764000000000-0", "at_ms": 1764000060000, "cause": "HTTP 400"}],
    "next": None,
}

ENDPOINTS: Final = (
    Endpoint("GET", PATH, list_endpoints, EndpointsResponse, _LIST, PageQuery, role=Role.OPS),
    Endpoint(
        "POST",
        PATH,
        add_endpoint,
        SecretResponse,
        _SECRET,
        AddEndpointRequest,
        {
            "all events": {"url": "https://hooks.example.com/haravan"},
            "tags only": {
                "url": "https://hooks.example.com/haravan",
                "events": ["customer.tagged", "customer.untagged"],
            },
        },
        role=Role.OPS,
    ),
    Endpoint(
        "POST",
        ONE,
        change_endpoint,
        EndpointsResponse,
        _LIST,
        ChangeEndpointRequest,
        {"another address": {"url": "https://hooks.example.com/new"}, "go on": {"disabled": False}},
        role=Role.OPS,
    ),
    Endpoint("POST", f"{ONE}/rotate", rotate_endpoint_secret, SecretResponse, _SECRET, role=Role.OPS),
    Endpoint(
        "POST",
        f"{ONE}/replay",
        replay_events,
        EndpointsResponse,
        _LIST,
        ReplayEventsRequest,
        {"since": {"since": "2025-11-24T08:00:00+07:00"}},
        role=Role.OPS,
    ),
    Endpoint(
        "GET",
        f"{ONE}/rejected",
        list_rejected_events,
        RejectedResponse,
        _REJECTED,
        PageQuery,
        role=Role.OPS,
    ),
    Endpoint("POST", f"{ONE}/retry", retry_events, RetryResponse, {"retried": 3}, role=Role.OPS),
    Endpoint(
        "DELETE", ONE, delete_endpoint, EndpointsResponse, {"endpoints": [], "next": None}, role=Role.OPS
    ),
)
