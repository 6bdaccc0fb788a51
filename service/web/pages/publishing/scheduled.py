"""The scheduled publish of a shop: when it goes live or why it was stopped, its effect, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from service.domain.access import Role
from service.errors import Refused
from service.publishing import editor, review, scheduled
from service.publishing.review import CopyReview
from service.store.scheduled import ScheduledPublish
from service.store.shops import Shop
from service.store.tasks import PageTask
from service.web.pages.publishing import working
from service.web.pages.publishing.people import names_in
from service.web.pages.publishing.review import parse_moment_ms
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit, parse_count


@dataclass(frozen=True, slots=True)
class ScheduledPage:
    """The scheduled publish with what it would change now; None if nothing is scheduled.

    Without a review, `refusal` says why the shop does not accept its rules.
    """

    shop: Shop
    entry: ScheduledPublish | None
    review: CopyReview | None = None
    may_publish: bool = False
    error: str = ""
    names: Mapping[int, str] = field(default_factory=dict)
    refusal: str = ""


async def show_scheduled(visit: Visit) -> View | Redirect:
    """The scheduled publish."""
    return await _show(visit)


async def move_scheduled(visit: Visit) -> View | Redirect:
    """Set another time."""
    shop = await visit.context.shops.describe(visit.org)
    at_ms = parse_moment_ms(visit, shop)
    if at_ms is None:
        return await _show(visit, error=visit.t("scheduled.time.error"))
    if at_ms <= await visit.context.now_ms():
        return await _show(visit, error=visit.t("scheduled.time.past"))
    await scheduled.reschedule_publish(visit.context, shop.org, at_ms=at_ms, by=visit.by)
    return Redirect(_path(visit), Notice("notice.rescheduled"))


async def cancel_scheduled(visit: Visit) -> View | Redirect:
    """Cancel the scheduled publish."""
    await scheduled.cancel_scheduled(visit.context, visit.org, by=visit.by)
    return Redirect(f"/shops/{visit.org}/rules", Notice("notice.unscheduled"))


async def edit_scheduled(visit: Visit) -> View | Redirect:
    """Turn it back into the draft."""
    await editor.edit_scheduled(visit.context, visit.org, by=visit.by)
    return Redirect(f"/shops/{visit.org}/rules", Notice("notice.scheduled_edited"))


async def publish_scheduled(visit: Visit) -> View | Redirect:
    """Publish it now, over the version that the reader saw."""
    return await working.submit(
        visit,
        "publish",
        review.publish_scheduled,
        live=parse_count(visit.posted("live")) or 0,
        by=visit.by,
        approved=bool(visit.posted("approve")),
    )


async def _show(visit: Visit, *, error: str = "") -> View:
    shop = await visit.context.shops.describe(visit.org)
    crumbs = (Crumb(visit.t("rules.title"), f"/shops/{shop.org}/rules"),)
    title = visit.t("scheduled.title")
    entry = await scheduled.find(visit.context, shop.org)
    if entry is None:
        return View("publishing/scheduled.html", ScheduledPage(shop, None), title, crumbs)
    live = await visit.context.versions.live_number(shop.org)
    try:
        found = await working.reviewed(
            visit,
            f"scheduled-{entry.content[:16]}-{live}-{visit.language}",
            CopyReview,
            review.review_scheduled,
            visit.language,
        )
    except Refused as exc:  # the shop does not accept its rules any more; it can still be cancelled or edited
        refused = ScheduledPage(shop, entry, refusal=exc.text(visit.t), error=error)
        return View("publishing/scheduled.html", refused, title, crumbs, status=422 if error else 200)
    if isinstance(found, PageTask):
        return working.show_progress(visit, found, _path(visit), title, crumbs)
    needs_approval = found.effect is not None and found.effect.needs_approval
    names = await names_in(visit, found.effect)
    model = ScheduledPage(shop, entry, found, visit.may("ops") or not needs_approval, error, names)
    return View("publishing/scheduled.html", model, title, crumbs, status=422 if error else 200)


def _path(visit: Visit) -> str:
    return f"/shops/{visit.org}/rules/publish/scheduled"


PAGES: Final = (
    Page("GET", "/shops/{org}/rules/publish/scheduled", show_scheduled, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/publish/scheduled/move", move_scheduled, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/publish/scheduled/cancel", cancel_scheduled, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/publish/scheduled/edit", edit_scheduled, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/publish/scheduled/publish", publish_scheduled, Role.MARKETER),
)
