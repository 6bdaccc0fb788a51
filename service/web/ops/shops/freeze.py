"""The freeze of a shop: between two days no tag is written."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

from msgspec import Meta

from service.context import Context
from service.domain.access import Role
from service.locales import translator_for
from service.publishing import freeze
from service.web.ops.activity import RUN_EXAMPLE, RunModel, to_run_model
from service.web.ops.contract import (
    SHOP_PATH,
    Endpoint,
    Language,
    Request,
    RequestModel,
    ResponseModel,
)
from service.web.ops.rules import NEEDS_APPROVAL_EXAMPLE, Approve, PreviewResponse, to_preview
from service.web.ops.shops.status import FREEZE_EXAMPLE, SHOP_EXAMPLE, ShopStatus, shop_status


class FreezeRequest(RequestModel, frozen=True):
    """The frozen days, in the shop's time zone. Of a freeze that has begun, only `last` can be changed."""

    first: date
    last: Annotated[date, Meta(description="Frozen as well")]


class UnfreezeRequest(RequestModel, frozen=True):
    """`dry_run` only previews what would be written."""

    approve: Approve = False
    dry_run: bool = False
    lang: Language = "vi"


class UnfreezeResponse(ResponseModel, frozen=True):
    """With `dry_run` the preview, otherwise the run that writes the changes; null if there is nothing to write."""

    preview: PreviewResponse | None
    run: RunModel | None


async def freeze_shop(context: Context, request: Request) -> ShopStatus:
    """Write no tag between two days. Webhooks are still received, and customers are still decided on.

    After the last day everything is evaluated and written. Beyond the guard the shop stays frozen until an approval.
    """
    body: FreezeRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    await freeze.set_freeze(context, shop, body.first, body.last, by=request.by)
    return await shop_status(context, request)


async def unfreeze_shop(context: Context, request: Request) -> UnfreezeResponse:
    """End the freeze now. A worker then marks the customers that change. A freeze that has not begun is cancelled.

    It obeys the guard like a publish. It is refused with 409 if the shop is not frozen.
    """
    body: UnfreezeRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    if not body.dry_run and await freeze.is_planned(context, shop):
        await freeze.cancel_freeze(context, shop, by=request.by)
        return UnfreezeResponse(None, None)
    draft = await freeze.draft_end_of_freeze(context, shop)
    if body.dry_run:
        return UnfreezeResponse(to_preview(draft, translator_for(body.lang)), None)
    run = await freeze.end_freeze(context, shop, draft, by=request.by, approved=body.approve)
    return UnfreezeResponse(None, None if run is None else to_run_model(run))


ENDPOINTS: Final = (
    Endpoint(
        "POST",
        f"{SHOP_PATH}/freeze",
        freeze_shop,
        ShopStatus,
        SHOP_EXAMPLE | {"freeze": FREEZE_EXAMPLE},
        FreezeRequest,
        {"Tết": {"first": "2027-01-25", "last": "2027-02-08"}},
        role=Role.MARKETER,
    ),
    Endpoint(
        "POST",
        f"{SHOP_PATH}/freeze/end",
        unfreeze_shop,
        UnfreezeResponse,
        {"preview": None, "run": RUN_EXAMPLE | {"reason": "freeze ended"}},
        UnfreezeRequest,
        {"look first": {"dry_run": True}, "approved": {"approve": True}},
        {409: NEEDS_APPROVAL_EXAMPLE},
        cpu_bound=True,
        role=Role.MARKETER,
    ),
)
