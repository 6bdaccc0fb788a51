"""The review before a publish, the publish, its schedule, and the request for an approval."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from service.domain.access import Role
from service.errors import Refused
from service.publishing import scheduled
from service.publishing.review import CopyReview, publish_copy, request_approval, review_copy, schedule_copy
from service.store import working_copies
from service.store.scheduled import ScheduledPublish
from service.store.shops import Shop
from service.store.tasks import PageTask
from service.store.working_copies import ApprovalRequest, WorkingCopy
from service.web.pages.publishing import working
from service.web.pages.publishing.people import names_in
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit, parse_day, parse_time

MAX_NOTE: Final = 200


@dataclass(frozen=True, slots=True)
class PublishReview:
    """The review of a draft. `request` is the open request for an approval of exactly this content.

    `entry` is the scheduled publish of the shop. `day` and `time` are what was typed for a new one.
    """

    shop: Shop
    draft: WorkingCopy | None
    review: CopyReview | None
    request: ApprovalRequest | None
    entry: ScheduledPublish | None
    is_behind: bool
    may_publish: bool
    note: str
    day: str
    time: str
    errors: dict[str, str]
    names: Mapping[int, str]


async def show_publish(visit: Visit) -> View | Redirect:
    """What publishing the draft would change for all customers."""
    return await _review(visit, {})


async def publish(visit: Visit) -> View | Redirect:
    """Publish the draft that was reviewed."""
    await visit.context.shops.describe(visit.org)
    if errors := _note_error(visit):
        return await _review(visit, errors)
    return await working.submit(
        visit,
        "publish",
        publish_copy,
        visit.posted("content"),
        by=visit.by,
        note=visit.posted("note")[:MAX_NOTE],
        approved=bool(visit.posted("approve")),
    )


async def schedule(visit: Visit) -> View | Redirect:
    """Let the draft that was reviewed go live at a day and time of the shop."""
    shop = await visit.context.shops.describe(visit.org)
    at_ms = parse_moment_ms(visit, shop)
    errors = _note_error(visit)
    if at_ms is None:
        errors["day"] = visit.t("scheduled.time.error")
    elif at_ms <= await visit.context.now_ms():
        errors["day"] = visit.t("scheduled.time.past")
    if errors or at_ms is None:
        return await _review(visit, errors)
    return await working.submit(
        visit,
        "schedule",
        schedule_copy,
        visit.posted("content"),
        at_ms=at_ms,
        by=visit.by,
        note=visit.posted("note")[:MAX_NOTE],
        approved=bool(visit.posted("approve")),
        replace=bool(visit.posted("replace")),
    )


async def ask_approval(visit: Visit) -> View | Redirect:
    """Ask ops to approve and publish the draft."""
    shop = await visit.context.shops.describe(visit.org)
    if errors := _note_error(visit):
        return await _review(visit, errors)
    note = visit.posted("note")[:MAX_NOTE]
    await request_approval(visit.context, shop.org, visit.posted("content"), by=visit.by, note=note)
    visit.alerts.raise_alert(
        "approval_requested",
        f"{visit.by.name} asks for an approval of a publish that is larger than the guard allows. "
        f"Preview and approval: {visit.url}/shops/{shop.org}/rules/publish",
        org=shop.org,
    )
    return Redirect(f"/shops/{shop.org}/rules/publish", Notice("notice.approval_asked"))


def parse_moment_ms(visit: Visit, shop: Shop) -> int | None:
    """The moment of the posted day and time on the shop's clock. None if one of them cannot be read."""
    day, time = parse_day(visit.posted("day")), parse_time(visit.posted("time"))
    if day is None or time is None:
        return None
    try:
        return scheduled.moment_ms(datetime.combine(day, time), shop.timezone)
    except Refused:
        return None


async def _review(visit: Visit, errors: dict[str, str]) -> View:
    shop = await visit.context.shops.describe(visit.org)
    draft = await working_copies.load(visit.context.redis, shop.org)
    crumbs = (Crumb(visit.t("rules.title"), f"/shops/{shop.org}/rules"),)
    review = None
    if draft is not None:
        found = await working.reviewed(
            visit,
            await _task_name(visit, draft),
            CopyReview,
            review_copy,
            draft.document,
            draft.parent,
            visit.language,
        )
        if isinstance(found, PageTask):
            path = f"/shops/{shop.org}/rules/publish"
            return working.show_progress(visit, found, path, visit.t("review.title"), crumbs)
        review = found
    request = await working_copies.load_request(visit.context.redis, shop.org)
    if request is not None and (review is None or request.content != review.content):
        request = None
    needs_approval = review is not None and review.effect is not None and review.effect.needs_approval
    model = PublishReview(
        shop,
        draft,
        review,
        request,
        await scheduled.find(visit.context, shop.org),
        is_behind=draft is not None and review is not None and draft.parent != review.live,
        may_publish=visit.may("ops") or not needs_approval,
        note=visit.posted("note") or (request.note if request is not None else ""),
        day=visit.posted("day"),
        time=visit.posted("time"),
        errors=errors,
        names=await names_in(visit, review.effect if review is not None else None),
    )
    status = 422 if errors else 200
    return View("publishing/review.html", model, visit.t("review.title"), crumbs, status=status)


async def _task_name(visit: Visit, draft: WorkingCopy) -> str:
    """One name for each content over each live version in each language."""
    live = await visit.context.versions.live_number(visit.org)
    content = msgspec.json.encode((draft.document, draft.parent, live), order="sorted")
    return f"review-{hashlib.sha256(content).hexdigest()[:16]}-{visit.language}"


def _note_error(visit: Visit) -> dict[str, str]:
    return {} if visit.posted("note") else {"note": visit.t("review.note.error")}


PAGES: Final = (
    Page("GET", "/shops/{org}/rules/publish", show_publish, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/publish", publish, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/publish/schedule", schedule, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/publish/ask", ask_approval, Role.MARKETER),
)
