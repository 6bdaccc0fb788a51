"""Where the events of a shop are sent: endpoints, how far each is, and their secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from service.domain.access import Role
from service.domain.events import EVENT_TYPES, EventType
from service.errors import Refused
from service.operations import EndpointStatus, NewSecret, endpoints
from service.store.shops import Shop
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit

Tone = Literal["", "good", "warn", "bad"]
TRUTHY: Final = "1"


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint with its state as a key of the texts."""

    status: EndpointStatus
    state: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class EndpointList:
    """The endpoints and the form of a new one. `secret` is shown once."""

    shop: Shop
    rows: tuple[EndpointRow, ...]
    types: tuple[EventType, ...] = EVENT_TYPES
    url: str = ""
    chosen: tuple[str, ...] = EVENT_TYPES
    errors: Mapping[str, str] = field(default_factory=dict)
    secret: str = ""
    secret_of: str = ""


async def show_endpoints(visit: Visit) -> View | Redirect:
    """Every endpoint of the shop, and the form of a new one."""
    return await _list(visit)


async def add_endpoint(visit: Visit) -> View | Redirect:
    """Add an endpoint, and show its secret once."""
    shop, url, chosen = await visit.context.shops.describe(visit.org), visit.posted("url"), _types(visit)
    errors = {} if chosen else {"events": visit.t("endpoints.error.events")}
    if not errors:
        try:
            return await _with_secret(
                visit, await endpoints.add_endpoint(visit.context, shop, url, events=chosen, by=visit.by)
            )
        except Refused:
            errors = {"url": visit.t("endpoints.error.url")}
    return await _list(visit, url=url[:2_000], chosen=chosen, errors=errors)


async def rotate_endpoint(visit: Visit) -> View | Redirect:
    """Make a new secret, and show it once."""
    shop = await visit.context.shops.describe(visit.org)
    return await _with_secret(
        visit, await endpoints.rotate_secret(visit.context, shop, visit.path["endpoint"], by=visit.by)
    )


async def switch_endpoint(visit: Visit) -> View | Redirect:
    """Stop sending to an endpoint, or go on where it stopped."""
    disabled = visit.posted("disabled") == TRUTHY
    await endpoints.change_endpoint(
        visit.context, visit.org, visit.path["endpoint"], disabled=disabled, by=visit.by
    )
    return _done(visit, "notice.endpoint_disabled" if disabled else "notice.endpoint_enabled")


async def retry_endpoint(visit: Visit) -> View | Redirect:
    """Send what the endpoint rejected once more."""
    await endpoints.retry_rejected(visit.context, visit.org, visit.path["endpoint"], by=visit.by)
    return _done(visit, "notice.endpoint_retry")


async def remove_endpoint(visit: Visit) -> View | Redirect:
    """Remove an endpoint. What it did not get is not sent."""
    await endpoints.remove_endpoint(visit.context, visit.org, visit.path["endpoint"], by=visit.by)
    return _done(visit, "notice.endpoint_removed")


def _types(visit: Visit) -> tuple[EventType, ...]:
    posted = visit.posted_all("events")
    return tuple(each for each in EVENT_TYPES if each in posted)


async def _with_secret(visit: Visit, new: NewSecret) -> View:
    return await _list(visit, secret=new.secret, secret_of=new.endpoint.id)


async def _list(
    visit: Visit,
    *,
    url: str = "",
    chosen: tuple[str, ...] = EVENT_TYPES,
    errors: Mapping[str, str] | None = None,
    secret: str = "",
    secret_of: str = "",
) -> View:
    shop = await visit.context.shops.describe(visit.org)
    rows = tuple(_row(each) for each in await endpoints.list_endpoints(visit.context, visit.org))
    model = EndpointList(
        shop, rows, url=url, chosen=chosen, errors=errors or {}, secret=secret, secret_of=secret_of
    )
    crumbs = (Crumb(visit.t("shops.title"), "/shops"), Crumb(shop.name, f"/shops/{shop.org}"))
    title, status = visit.t("endpoints.title"), 422 if errors else 200
    return View("shops/endpoints.html", model, title, crumbs, status=status)


def _row(status: EndpointStatus) -> EndpointRow:
    """The state of an endpoint; the first that holds."""
    states: tuple[tuple[Callable[[], bool], str, Tone], ...] = (
        (lambda: status.endpoint.disabled == "by_hand", "by_hand", ""),
        (lambda: bool(status.endpoint.disabled), status.endpoint.disabled, "bad"),
        (lambda: bool(status.state.attempts), "retrying", "warn"),
        (lambda: status.is_behind, "behind", ""),
    )
    state, tone = next(((name, tone) for holds, name, tone in states if holds()), ("up_to_date", "good"))
    return EndpointRow(status, state, tone)


def _done(visit: Visit, key: str) -> Redirect:
    return Redirect(f"/shops/{visit.org}/endpoints", Notice(key, {"id": visit.path["endpoint"]}))


PAGES: Final = (
    Page("GET", "/shops/{org}/endpoints", show_endpoints, Role.OPS),
    Page("POST", "/shops/{org}/endpoints", add_endpoint, Role.OPS),
    Page("POST", "/shops/{org}/endpoints/{endpoint}/rotate", rotate_endpoint, Role.OPS),
    Page("POST", "/shops/{org}/endpoints/{endpoint}/switch", switch_endpoint, Role.OPS),
    Page("POST", "/shops/{org}/endpoints/{endpoint}/retry", retry_endpoint, Role.OPS),
    Page("POST", "/shops/{org}/endpoints/{endpoint}/remove", remove_endpoint, Role.OPS),
)
