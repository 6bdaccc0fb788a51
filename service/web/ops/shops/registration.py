"""Shops: add and remove, and their credentials. A credential is never part of an answer.

Requests cannot reach Haravan, so a worker asks it about a token before the token is stored.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import Role
from service.domain.customers import OrgId
from service.operations import add_shop, ask_worker, remove_shop, replace_token, replace_webhook_secret
from service.store.shops import DEFAULT_TIMEZONE, Shop, dialect_of
from service.web.ops.contract import SHOP_PATH, Endpoint, Request, RequestModel, ResponseModel
from service.web.ops.shops.status import SHOP_EXAMPLE, ShopStatus, load_status
from service.web.problems import problem_details

Org = Annotated[str, Meta(pattern="^[0-9]{1,19}$")]
Secret = Annotated[str, Meta(min_length=1, max_length=2000, pattern="^[!-~]+$")]
Unchecked = Annotated[bool, Meta(description="Store the token without asking Haravan about it")]


class AddShopRequest(RequestModel, frozen=True):
    """A shop to add. Default of `api_url`: HARAVAN_API_URL; of `dialect`: as the address says."""

    org: Org
    token: Annotated[Secret, Meta(description="The access token of the app in this shop")]
    name: Annotated[str, Meta(max_length=200)] = ""
    dialect: Literal["omni", "admin"] | UnsetType = UNSET
    api_url: Annotated[str, Meta(min_length=1, max_length=500)] | UnsetType = UNSET
    timezone: Annotated[str, Meta(min_length=1, max_length=100)] = DEFAULT_TIMEZONE
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] = "VND"
    reserve: Annotated[
        int, Meta(ge=0, le=30, description="Calls of the bucket for the merchant's other apps")
    ] = 0
    shadow: bool = False
    unchecked: Unchecked = False


class RemoveShopQuery(RequestModel, frozen=True):
    """`keep_data` keeps ownership, history and rules, and deletes only the token and the settings."""

    keep_data: bool = False


class TokenRequest(RequestModel, frozen=True):
    """The new access token."""

    token: Secret
    unchecked: Unchecked = False


class SecretRequest(RequestModel, frozen=True):
    """The secret of webhooks that were created in the shop's admin."""

    secret: Secret


class RemovedShop(ResponseModel, frozen=True):
    """The removed shop. What was stored of it is erased within minutes, unless `keep_data`."""

    org: str
    keep_data: bool


async def register_shop(context: Context, request: Request) -> ShopStatus:
    """Add a shop. A worker first asks Haravan whether its token is valid, is of this shop, and has the scopes.

    Otherwise it is refused with 422, or with 503 if nobody could ask or Haravan does not answer; nothing is stored then.
    Afterwards subscribe the shop to webhooks, publish rules, and start a backfill.
    """
    body: AddShopRequest = request.model
    address = (context.settings.api_url if body.api_url is UNSET else body.api_url).rstrip("/")
    org = OrgId(body.org)
    shop = Shop(
        org=org,
        name=body.name or f"Shop {org}",
        dialect=dialect_of(address) if body.dialect is UNSET else body.dialect,
        api_url=address,
        token=body.token,
        timezone=body.timezone,
        currency=body.currency,
        reserve=body.reserve,
        shadow=body.shadow,
    )
    await add_shop(context, shop, ask=None if body.unchecked else ask_worker(context), by=request.by)
    return await load_status(context, org)


async def delete_shop(context: Context, request: Request) -> RemovedShop:
    """Remove a shop, and everything stored of it. Tags in Haravan are not changed.

    If the shop is added again later, its tags count as added by hand and are not removed.
    """
    query: RemoveShopQuery = request.model
    await context.shops.describe(request.org)
    await remove_shop(context, request.org, erase=not query.keep_data, by=request.by)
    return RemovedShop(request.org, query.keep_data)


async def replace_shop_token(context: Context, request: Request) -> ShopStatus:
    """Replace the access token of a shop. This ends a pause that a rejected token caused.

    It is checked as when a shop is added. If it is refused, the shop keeps its token.
    """
    body: TokenRequest = request.model
    ask = None if body.unchecked else ask_worker(context)
    await replace_token(context, request.org, body.token, ask=ask, by=request.by)
    return await load_status(context, request.org)


async def replace_shop_secret(context: Context, request: Request) -> ShopStatus:
    """Set the secret of webhooks that were created in the shop's admin. Webhooks of an app do not need it."""
    await context.shops.describe(request.org)
    await replace_webhook_secret(context, request.org, request.model.secret, by=request.by)
    return await load_status(context, request.org)


TOKEN_EXAMPLE: Final[dict[str, Any]] = {"token": "0f" * 32}
TOKEN_REFUSED_EXAMPLE: Final[dict[str, Any]] = {
    **problem_details("token-refused", ""),
    "detail": "this token belongs to shop 1000000002, not 1000000001; nothing was stored",
}
ENDPOINTS: Final = (
    Endpoint(
        "POST",
        "/ops/v1/shops",
        register_shop,
        ShopStatus,
        SHOP_EXAMPLE | {"first_look": "pending"},
        AddShopRequest,
        {"today's API": {"org": "1000000001", "name": "Cửa hàng mẫu", **TOKEN_EXAMPLE}},
        {422: TOKEN_REFUSED_EXAMPLE},
        role=Role.OWNER,
        every_shop=True,
    ),
    Endpoint(
        "DELETE",
        SHOP_PATH,
        delete_shop,
        RemovedShop,
        {"org": "1000000001", "keep_data": False},
        RemoveShopQuery,
        role=Role.OWNER,
        every_shop=True,
    ),
    Endpoint(
        "PUT",
        f"{SHOP_PATH}/token",
        replace_shop_token,
        ShopStatus,
        SHOP_EXAMPLE,
        TokenRequest,
        {"a new token": TOKEN_EXAMPLE},
        {422: TOKEN_REFUSED_EXAMPLE},
        role=Role.OWNER,
    ),
    Endpoint(
        "PUT",
        f"{SHOP_PATH}/secret",
        replace_shop_secret,
        ShopStatus,
        SHOP_EXAMPLE,
        SecretRequest,
        {"of the shop's admin": {"secret": "0f" * 32}},
        role=Role.OWNER,
    ),
)
