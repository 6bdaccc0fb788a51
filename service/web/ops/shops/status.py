"""Shops: status and backlog, pause and resume."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from service.context import Context
from service.domain.access import Role
from service.domain.customers import OrgId
from service.operations import ask_worker, pause_shop, resume_shop
from service.store.queue import ShopBacklog, load_backlogs
from service.store.shops import Shop
from service.web.ops.contract import (
    SHOP_PATH,
    Endpoint,
    PageModel,
    PageQuery,
    Request,
    RequestModel,
    ResponseModel,
    cut_page,
)


class PauseRequest(RequestModel, frozen=True):
    """Why the shop is paused."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class ResumeRequest(RequestModel, frozen=True):
    """`removals` also resumes removals that the removal guard paused."""

    removals: bool = False


class FreezeModel(ResponseModel, frozen=True):
    """The frozen days in the shop's time zone, both included."""

    first: date
    last: date
    by: str
    state: Annotated[
        Literal["planned", "active", "waiting"],
        Meta(description="`waiting`: the last day is over, and the changes wait for an approval"),
    ]


class ShopStatus(ResponseModel, frozen=True):
    """A shop with its backlog."""

    org: str
    name: str
    dialect: str
    api_url: str
    timezone: str
    currency: str
    reserve: int
    shadow: bool
    paused: str
    paused_since_ms: int
    paused_by: str
    removals_paused: str
    first_look: Annotated[
        Literal["pending", "waiting", "complete"],
        Meta(description="`waiting`: all customers were read, and the changes wait for an approval"),
    ]
    freeze: FreezeModel | None
    due: dict[str, int]
    oldest_due_s: float
    dead_letters: int
    bucket_level: float


class ShopList(PageModel, frozen=True):
    """The shops of the token, by org id as text."""

    shops: list[ShopStatus]


async def list_shops(context: Context, request: Request) -> ShopList:
    """The shops of the token with their backlogs."""
    reached = [org for org in sorted(await context.shops.orgs()) if request.by.may_reach(org)]
    orgs, following = cut_page(reached, request.model, position=str, kind=str)
    backlogs = {backlog.org: backlog for backlog in await load_backlogs(context.redis, orgs)}
    shops = [await context.shops.describe(org) for org in orgs]
    now_ms = await context.now_ms()
    return ShopList([_status(shop, backlogs[shop.org], now_ms=now_ms) for shop in shops], next=following)


async def shop_status(context: Context, request: Request) -> ShopStatus:
    """One shop with its backlog."""
    return await load_status(context, request.org)


async def load_status(context: Context, org: OrgId) -> ShopStatus:
    """The shop as the API shows it. Raises NotFound."""
    shop = await context.shops.describe(org)
    [backlog] = await load_backlogs(context.redis, [org])
    return _status(shop, backlog, now_ms=await context.now_ms())


async def pause(context: Context, request: Request) -> ShopStatus:
    """Stop all work of the shop. Its marks stay, and deliveries are still recorded."""
    await context.shops.describe(request.org)
    body: PauseRequest = request.model
    await pause_shop(context, request.org, reason=body.reason, by=request.by)
    return await shop_status(context, request)


async def resume(context: Context, request: Request) -> ShopStatus:
    """Resume the work of the shop. If Haravan had rejected its token, a worker first asks whether it is valid now."""
    body: ResumeRequest = request.model
    await resume_shop(context, request.org, removals=body.removals, ask=ask_worker(context), by=request.by)
    return await shop_status(context, request)


def _status(shop: Shop, backlog: ShopBacklog, *, now_ms: int) -> ShopStatus:
    freeze = shop.freeze
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
        first_look=shop.first_look,
        freeze=None
        if freeze is None
        else FreezeModel(freeze.first, freeze.last, freeze.by, freeze.state(now_ms)),
        due=backlog.customers,
        oldest_due_s=round(backlog.oldest_s, 3),
        dead_letters=backlog.dead_letters,
        bucket_level=round(backlog.rate_limit_used, 1),
    )


FREEZE_EXAMPLE: Final[dict[str, Any]] = {
    "first": "2027-01-25",
    "last": "2027-02-08",
    "by": "lan",
    "state": "planned",
}
SHOP_EXAMPLE: Final[dict[str, Any]] = {
    "org": "1000000001",
    "name": "Cửa hàng mẫu",
    "dialect": "omni",
    "api_url": "https://apis.haravan.com/com",
    "timezone": "Asia/Ho_Chi_Minh",
    "currency": "VND",
    "reserve": 0,
    "shadow": False,
    "paused": "",
    "paused_since_ms": 0,
    "paused_by": "",
    "removals_paused": "",
    "first_look": "complete",
    "freeze": None,
    "due": {"live": 2, "bulk": 3200, "planned": 12, "delayed": 0},
    "oldest_due_s": 0.41,
    "dead_letters": 1,
    "bucket_level": 31.5,
}
ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/ops/v1/shops",
        list_shops,
        ShopList,
        {"shops": [SHOP_EXAMPLE], "next": None},
        PageQuery,
        role=Role.VIEWER,
    ),
    Endpoint("GET", SHOP_PATH, shop_status, ShopStatus, SHOP_EXAMPLE, role=Role.VIEWER),
    Endpoint(
        "POST",
        f"{SHOP_PATH}/pause",
        pause,
        ShopStatus,
        SHOP_EXAMPLE | {"paused": "kiểm tra dữ liệu", "paused_since_ms": 1795150800000, "paused_by": "an"},
        PauseRequest,
        {"by hand": {"reason": "kiểm tra dữ liệu"}},
        role=Role.MARKETER,
    ),
    Endpoint(
        "POST",
        f"{SHOP_PATH}/resume",
        resume,
        ShopStatus,
        SHOP_EXAMPLE,
        ResumeRequest,
        {"work only": {}, "removals as well": {"removals": True}},
        role=Role.OPS,
    ),
)
