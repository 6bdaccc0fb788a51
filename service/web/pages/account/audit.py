"""The audit log: who changed what, of the service and of each shop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.domain.access import Role
from service.domain.customers import MAX_ID, OrgId
from service.store.client import SERVICE
from service.store.history import AuditEntry, Verification, audit_log
from service.web.pages.shell import Crumb, Page, Redirect, Section, View, Visit, parse_count

PAGE_SIZE: Final = 50


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change by somebody. `action` is its text, or its name if the catalogs have none."""

    entry: AuditEntry
    action: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Newest first. `older` is the address of the next page, "" on the last."""

    rows: tuple[AuditRow, ...]
    older: str
    check: Verification | None


async def show_service_audit(visit: Visit) -> View | Redirect:
    """What people changed beyond single shops: users, tokens, and shops that were added or removed."""
    return await _page(visit, SERVICE, "/audit", ())


async def show_shop_audit(visit: Visit) -> View | Redirect:
    """What people changed at the shop."""
    shop = await visit.context.shops.describe(visit.org)
    path = f"/shops/{shop.org}"
    return await _page(visit, shop.org, f"{path}/audit", (Crumb(shop.name, path),))


async def _page(visit: Visit, org: OrgId, path: str, crumbs: tuple[Crumb, ...]) -> View:
    before = parse_count(visit.query.get("before", ""))
    found = await audit_log.list_entries(
        visit.context.redis,
        org,
        limit=PAGE_SIZE + 1,
        before=before if before is not None and before <= MAX_ID else None,
    )
    rows = tuple(AuditRow(row.entry, _action(visit, row.entry.action)) for row in found[:PAGE_SIZE])
    older = f"{path}?before={rows[-1].entry.number}" if len(found) > PAGE_SIZE else ""
    wants_check = "check" in visit.query
    check = await audit_log.verify(visit.context.redis, org) if wants_check else None
    return View("account/audit.html", AuditPage(rows, older, check), visit.t("audit.title"), crumbs)


def _action(visit: Visit, action: str) -> str:
    key = f"audit.action.{action}"
    return visit.t(key) if visit.t.has(key) else action


SECTIONS: Final = (
    Section("shop_audit", "/shops/{org}/audit", in_menu=True),
    Section("audit", "/audit", Role.OWNER, every_shop=True, in_menu=True),
)
PAGES: Final = (
    Page("GET", "/audit", show_service_audit, Role.OWNER, every_shop=True),
    Page("GET", "/shops/{org}/audit", show_shop_audit, Role.VIEWER),
)
