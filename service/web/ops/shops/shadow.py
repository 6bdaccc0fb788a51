"""Shadow mode: on, and off with a preview of what would be written."""

from __future__ import annotations

from typing import Final

from service.context import Context
from service.domain.access import Role
from service.locales import translator_for
from service.publishing import begin_shadow_mode, draft_end_of_shadow_mode, end_shadow_mode
from service.web.ops.activity import RUN_EXAMPLE, RunModel, to_run_model
from service.web.ops.contract import (
    SHOP_PATH,
    Endpoint,
    Language,
    Request,
    RequestModel,
    ResponseModel,
)
from service.web.ops.rules import NEEDS_APPROVAL_EXAMPLE, Approve, PreviewResponse, Shadow, to_preview
from service.web.ops.shops.status import SHOP_EXAMPLE, ShopStatus, shop_status


class DisableShadowRequest(RequestModel, frozen=True):
    """`dry_run` only previews what would be written."""

    approve: Approve = False
    dry_run: bool = False
    lang: Language = "vi"


class DisableShadowResponse(ResponseModel, frozen=True):
    """With `dry_run` the preview, otherwise the run that writes the pending changes; null if the shop has no rules."""

    preview: PreviewResponse | None
    run: RunModel | None
    shadow: Shadow


async def enable_shadow(context: Context, request: Request) -> ShopStatus:
    """Begin shadow mode: decisions are recorded, nothing is written. Does nothing if it is on already."""
    shop = await context.shops.get_or_raise(request.org)
    await begin_shadow_mode(context, shop, by=request.by)
    return await shop_status(context, request)


async def disable_shadow(context: Context, request: Request) -> DisableShadowResponse:
    """End shadow mode. A worker then marks the customers whose tags differ from the live rules.

    It obeys the guard like a publish. It is refused with 409 if the shop is not in shadow mode.
    """
    body: DisableShadowRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    draft = await draft_end_of_shadow_mode(context, shop)
    if body.dry_run:
        return DisableShadowResponse(to_preview(draft, translator_for(body.lang)), None, shadow=True)
    run = await end_shadow_mode(context, shop, draft, by=request.by, approved=body.approve)
    return DisableShadowResponse(None, None if run is None else to_run_model(run), shadow=False)


ENDPOINTS: Final = (
    Endpoint(
        "POST",
        f"{SHOP_PATH}/shadow",
        enable_shadow,
        ShopStatus,
        SHOP_EXAMPLE | {"shadow": True},
        role=Role.OPS,
    ),
    Endpoint(
        "POST",
        f"{SHOP_PATH}/shadow/disable",
        disable_shadow,
        DisableShadowResponse,
        {"preview": None, "run": RUN_EXAMPLE | {"reason": "shadow mode ended"}, "shadow": False},
        DisableShadowRequest,
        {"look first": {"dry_run": True}, "approved": {"approve": True}},
        {409: NEEDS_APPROVAL_EXAMPLE},
        cpu_bound=True,
        role=Role.OPS,
    ),
)
