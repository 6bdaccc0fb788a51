"""The first look at a shop: approve what it found."""

from __future__ import annotations

from typing import Final

from service.context import Context
from service.domain.access import Role
from service.locales import translator_for
from service.publishing import first_look
from service.web.ops.activity import RUN_EXAMPLE, RunModel, to_run_model
from service.web.ops.contract import (
    SHOP_PATH,
    Endpoint,
    Language,
    Request,
    RequestModel,
    ResponseModel,
)
from service.web.ops.rules import PreviewResponse, to_preview


class ApproveRequest(RequestModel, frozen=True):
    """`dry_run` only previews what would be written."""

    dry_run: bool = False
    lang: Language = "vi"


class ApproveResponse(ResponseModel, frozen=True):
    """With `dry_run` the preview, otherwise the run that writes the changes; null if the shop has no rules."""

    preview: PreviewResponse | None
    run: RunModel | None


async def approve_first_look(context: Context, request: Request) -> ApproveResponse:
    """Approve the first look of a shop: its customers were read, and too many of them change. A worker then marks them.

    It is refused with 409 if nothing waits for an approval.
    """
    body: ApproveRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    draft = await first_look.draft_approval(context, shop)
    if body.dry_run:
        return ApproveResponse(to_preview(draft, translator_for(body.lang)), None)
    run = await first_look.approve(context, shop, draft, by=request.by)
    return ApproveResponse(None, None if run is None else to_run_model(run))


ENDPOINTS: Final = (
    Endpoint(
        "POST",
        f"{SHOP_PATH}/first-look/approve",
        approve_first_look,
        ApproveResponse,
        {"preview": None, "run": RUN_EXAMPLE | {"reason": "first look"}},
        ApproveRequest,
        {"look first": {"dry_run": True}, "approve": {}},
        cpu_bound=True,
        role=Role.OPS,
    ),
)
