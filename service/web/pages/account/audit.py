"""The audit log: who changed what, of the service and of each shop."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlencode

from service.domain.access import Role
from service.domain.customers import MAX_ID, OrgId
from service.domain.explain import Language
from service.locales import catalog_for
from service.store.client import SERVICE
from service.store.history import AuditEntry, AuditFilter, Verification, audit_log
from service.store.shops import DEFAULT_TIMEZONE
from service.web.pages.activity import Span, read_span
from service.web.pages.shell import Crumb, Page, Redirect, Section, View, Visit, parse_count

PAGE_SIZE: Final = 50
MAX_NAME: Final = 200
ACTION: Final = "audit.action."


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change by somebody. `action` is its text, or its name if the catalogs have none."""

    entry: AuditEntry
    action: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Newest first. `older` is the address of the next page, "" on the last."""

    path: str
    rows: tuple[AuditRow, ...]
    by: str
    action: str
    actions: tuple[tuple[str, str], ...]
    span: Span
    is_filtered: bool
    older: str
    check: Verification | None


async def show_service_audit(visit: Visit) -> View | Redirect:
    """What people changed beyond single shops: users, tokens, and shops that were added or removed."""
    return await _page(visit, SERVICE, "/audit", (), timezone=DEFAULT_TIMEZONE)


async def show_shop_audit(visit: Visit) -> View | Redirect:
    """What people changed at the shop."""
    shop = await visit.context.shops.describe(visit.org)
    path = f"/shops/{shop.org}"
    crumbs = (Crumb(shop.name, path),)
    return await _page(visit, shop.org, f"{path}/audit", crumbs, timezone=shop.timezone)


async def _page(visit: Visit, org: OrgId, path: str, crumbs: tuple[Crumb, ...], *, timezone: str) -> View:
    before, span = parse_count(visit.query.get("before", "")), read_span(visit, timezone)
    by, action = (visit.query.get(name, "").strip()[:MAX_NAME] for name in ("by", "action"))
    actions = _actions(visit.language)
    action = action if action in actions else ""
    found = await audit_log.list_entries(
        visit.context.redis,
        org,
        limit=PAGE_SIZE + 1,
        before=before if before is not None and before <= MAX_ID else None,
        wanted=AuditFilter(
            by=by,
            action=action,
            since_ms=span.since_ms,
            until_ms=None if span.until_ms is None else span.until_ms + 1,
        ),
    )
    rows = tuple(
        AuditRow(row.entry, actions.get(row.entry.action, row.entry.action)) for row in found[:PAGE_SIZE]
    )
    kept = {"by": by, "action": action, "from": span.since, "to": span.until}
    kept = {name: value for name, value in kept.items() if value}
    model = AuditPage(
        path=path,
        rows=rows,
        by=by,
        action=action,
        actions=(("", visit.t("audit.any_action")), *actions.items()),
        span=span,
        is_filtered=bool(kept),
        older=f"{path}?{urlencode(kept | {'before': rows[-1].entry.number})}"
        if len(found) > PAGE_SIZE
        else "",
        check=await audit_log.verify(visit.context.redis, org) if "check" in visit.query else None,
    )
    return View("account/audit.html", model, visit.t("audit.title"), crumbs)


@cache
def _actions(language: Language) -> dict[str, str]:
    """The text of each action by its name, in the order of the texts."""
    found = {
        str(message.id).removeprefix(ACTION): str(message.string)
        for message in catalog_for(language)
        if str(message.id).startswith(ACTION)
    }
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


SECTIONS: Final = (
    Section("shop_audit", "/shops/{org}/audit", in_menu=True),
    Section("audit", "/audit", Role.OWNER, every_shop=True, in_menu=True),
)
PAGES: Final = (
    Page("GET", "/audit", show_service_audit, Role.OWNER, every_shop=True),
    Page("GET", "/shops/{org}/audit", show_shop_audit, Role.VIEWER),
)
