"""Shops: status and backlog, what is wrong, pause and resume, first look, shadow mode."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from service.context import Context
from service.doctor import Report, diagnose, diagnose_shop
from service.domain.access import Role
from service.locales import translator_for
from service.operations import pause_shop, resume_shop
from service.publishing import begin_shadow_mode, draft_end_of_shadow_mode, end_shadow_mode, first_look
from service.store.queue import ShopBacklog, load_backlogs
from service.store.shops import Shop
from service.web.ops.requests import Endpoint, Language, Request, RequestModel, ResponseModel, to_model
from service.web.ops.rules import (
    NEEDS_APPROVAL_EXAMPLE,
    Approve,
    PreviewResponse,
    Shadow,
    to_preview,
)
from service.web.ops.runs import RUN_EXAMPLE, RunModel


class PauseRequest(RequestModel, frozen=True):
    """Why the shop is paused."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class DisableShadowRequest(RequestModel, frozen=True):
    """`dry_run` only previews what would be written."""

    approve: Approve = False
    dry_run: bool = False
    lang: Language = "vi"


SeverityName = Annotated[
    Literal["ok", "warning", "critical"],
    Meta(description="`critical`: somebody is needed now; `warning`: look at it within the week"),
]


class DoctorQuery(RequestModel, frozen=True):
    """`deep=true` also reads all snapshots: it finds values in rules that no customer has."""

    deep: Literal["true", "false"] = "false"
    lang: Language = "vi"


class FindingModel(ResponseModel, frozen=True):
    """One fact. `command` repairs it, "" if no command does. `org` is null if it is about the service."""

    key: Annotated[str, Meta(description="Stable. The runbook describes each")]
    severity: SeverityName
    org: str | None
    text: str
    command: str


class DoctorReport(ResponseModel, frozen=True):
    """The findings, and the worst severity of them. Haravan is not asked: `tagger doctor` asks it too."""

    verdict: SeverityName
    findings: list[FindingModel]


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
    due: dict[str, int]
    oldest_due_s: float
    dead_letters: int
    bucket_level: float


class ApproveRequest(RequestModel, frozen=True):
    """`dry_run` only previews what would be written."""

    dry_run: bool = False
    lang: Language = "vi"


class ApproveResponse(ResponseModel, frozen=True):
    """With `dry_run` the preview, otherwise the run that writes the changes; null if the shop has no rules."""

    preview: PreviewResponse | None
    run: RunModel | None


class ShopList(ResponseModel, frozen=True):
    """Every shop of the token."""

    shops: list[ShopStatus]


class DisableShadowResponse(ResponseModel, frozen=True):
    """With `dry_run` the preview, otherwise the run that writes the pending changes; null if the shop has no rules."""

    preview: PreviewResponse | None
    run: RunModel | None
    shadow: Shadow


async def list_shops(context: Context, request: Request) -> ShopList:
    """Every shop of the token with its backlog."""
    orgs = [org for org in await context.shops.orgs() if request.by.may_reach(org)]
    backlogs = {backlog.org: backlog for backlog in await load_backlogs(context.redis, orgs)}
    shops = [await context.shops.describe(org) for org in orgs]
    return ShopList([_status(shop, backlogs[shop.org]) for shop in shops])


async def shop_status(context: Context, request: Request) -> ShopStatus:
    """One shop with its backlog."""
    shop = await context.shops.describe(request.org)
    [backlog] = await load_backlogs(context.redis, [request.org])
    return _status(shop, backlog)


async def pause(context: Context, request: Request) -> ShopStatus:
    """Stop all work of the shop. Its marks stay, and deliveries are still recorded."""
    await context.shops.describe(request.org)
    body: PauseRequest = request.model
    await pause_shop(context, request.org, reason=body.reason, by=request.by)
    return await shop_status(context, request)


async def resume(context: Context, request: Request) -> ShopStatus:
    """Resume the work of the shop."""
    await context.shops.describe(request.org)
    await resume_shop(context, request.org, by=request.by)
    return await shop_status(context, request)


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
    return ApproveResponse(None, None if run is None else to_model(run, RunModel))


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
    return DisableShadowResponse(None, None if run is None else to_model(run, RunModel), shadow=False)


async def doctor(context: Context, request: Request) -> DoctorReport:
    """Diagnose the service and every shop."""
    query: DoctorQuery = request.model
    return _to_doctor_report(await diagnose(context, translator_for(query.lang), deep=query.deep == "true"))


async def shop_doctor(context: Context, request: Request) -> DoctorReport:
    """Diagnose one shop."""
    query: DoctorQuery = request.model
    words = translator_for(query.lang)
    return _to_doctor_report(await diagnose_shop(context, request.org, words, deep=query.deep == "true"))


def _to_doctor_report(report: Report) -> DoctorReport:
    findings = [
        FindingModel(finding.key, finding.severity.value, finding.org, finding.text, finding.command)
        for finding in report.findings
    ]
    return DoctorReport(report.verdict.value, findings)


def _status(shop: Shop, backlog: ShopBacklog) -> ShopStatus:
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
        due=backlog.customers,
        oldest_due_s=round(backlog.oldest_s, 3),
        dead_letters=backlog.dead_letters,
        bucket_level=round(backlog.rate_limit_used, 1),
    )


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
    "due": {"live": 2, "bulk": 3200, "planned": 12, "delayed": 0},
    "oldest_due_s": 0.41,
    "dead_letters": 1,
    "bucket_level": 31.5,
}
DOCTOR_EXAMPLE: Final[dict[str, Any]] = {
    "verdict": "critical",
    "findings": [
        {
            "key": "webhooks_refused",
            "severity": "critical",
            "org": "1000000001",
            "text": "Webhooks refused since 2026-11-28 15:45: 6, none accepted. Likely they are signed with another secret.",
            "command": "tagger shops secret 1000000001",
        }
    ],
}
SHOP: Final = "/ops/v1/shops/{org}"
ENDPOINTS: Final = (
    Endpoint("GET", "/ops/v1/shops", list_shops, ShopList, {"shops": [SHOP_EXAMPLE]}, role=Role.VIEWER),
    Endpoint(
        "GET",
        "/ops/v1/doctor",
        doctor,
        DoctorReport,
        DOCTOR_EXAMPLE,
        DoctorQuery,
        cpu_bound=True,
        role=Role.VIEWER,
        every_shop=True,
    ),
    Endpoint(
        "GET",
        "/ops/v1/shops/{org}/doctor",
        shop_doctor,
        DoctorReport,
        DOCTOR_EXAMPLE,
        DoctorQuery,
        cpu_bound=True,
        role=Role.VIEWER,
    ),
    Endpoint("GET", SHOP, shop_status, ShopStatus, SHOP_EXAMPLE, role=Role.VIEWER),
    Endpoint(
        "POST",
        f"{SHOP}/pause",
        pause,
        ShopStatus,
        SHOP_EXAMPLE | {"paused": "kiểm tra dữ liệu", "paused_since_ms": 1795150800000, "paused_by": "an"},
        PauseRequest,
        {"by hand": {"reason": "kiểm tra dữ liệu"}},
        role=Role.MARKETER,
    ),
    Endpoint("POST", f"{SHOP}/resume", resume, ShopStatus, SHOP_EXAMPLE, role=Role.OPS),
    Endpoint(
        "POST", f"{SHOP}/shadow", enable_shadow, ShopStatus, SHOP_EXAMPLE | {"shadow": True}, role=Role.OPS
    ),
    Endpoint(
        "POST",
        f"{SHOP}/first-look/approve",
        approve_first_look,
        ApproveResponse,
        {"preview": None, "run": RUN_EXAMPLE | {"reason": "first look"}},
        ApproveRequest,
        {"look first": {"dry_run": True}, "approve": {}},
        cpu_bound=True,
        role=Role.OPS,
    ),
    Endpoint(
        "POST",
        f"{SHOP}/shadow/disable",
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
