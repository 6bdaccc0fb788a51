"""The health of a shop: what the doctor finds, what it means, and what repairs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.doctor import Finding, Severity
from service.domain.access import Role
from service.web.pages.shell import Crumb, Page, Redirect, View, Visit


@dataclass(frozen=True, slots=True)
class HealthPage:
    """The findings of a diagnosis. `is_known`: the server was not too busy to make one."""

    wrong: tuple[Finding, ...]
    right: tuple[Finding, ...]
    is_known: bool


async def show_health(visit: Visit) -> View | Redirect:
    """The findings about a shop, the worst first. They are those of `tagger doctor`."""
    shop = await visit.context.shops.describe(visit.org)
    report = await visit.doctor.diagnose(shop.org, visit.language)
    found = report.findings if report is not None else ()
    model = HealthPage(
        wrong=tuple(finding for finding in found if finding.severity is not Severity.OK),
        right=tuple(finding for finding in found if finding.severity is Severity.OK),
        is_known=report is not None,
    )
    crumbs = (Crumb(shop.name, f"/shops/{shop.org}"),)
    return View("shops/health.html", model, visit.t("health.title"), crumbs)


PAGES: Final = (Page("GET", "/shops/{org}/health", show_health, Role.VIEWER),)
