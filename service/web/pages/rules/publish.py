"""The review before a publish, the publish, and the request for an approval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.domain.access import Role
from service.publishing import editor
from service.publishing.editor import CopyReview
from service.store import working_copies
from service.store.shops import Shop
from service.store.working_copies import ApprovalRequest, WorkingCopy
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit

MAX_NOTE: Final = 200


@dataclass(frozen=True, slots=True)
class PublishReview:
    """The review of a draft. `request` is the open request for an approval of exactly this content."""

    shop: Shop
    draft: WorkingCopy | None
    review: CopyReview | None
    request: ApprovalRequest | None
    is_behind: bool
    may_publish: bool
    note: str = ""
    error: str = ""


async def show_publish(visit: Visit) -> View | Redirect:
    """What publishing the draft would change for all customers."""
    return await _review(visit)


async def publish(visit: Visit) -> View | Redirect:
    """Publish the draft that was reviewed."""
    shop = await visit.context.shops.describe(visit.org)
    if not visit.posted("note"):
        return await _review(visit, error=visit.t("review.note.error"))
    number = await visit.cpu.run(
        editor.publish_copy,
        shop.org,
        visit.posted("content"),
        by=visit.by,
        note=visit.posted("note")[:MAX_NOTE],
        approved=bool(visit.posted("approve")),
    )
    return Redirect(f"/shops/{shop.org}/history", Notice("notice.published", {"number": str(number)}))


async def ask_approval(visit: Visit) -> View | Redirect:
    """Ask ops to approve and publish the draft."""
    shop = await visit.context.shops.describe(visit.org)
    if not visit.posted("note"):
        return await _review(visit, error=visit.t("review.note.error"))
    note = visit.posted("note")[:MAX_NOTE]
    await editor.request_approval(visit.context, shop.org, visit.posted("content"), by=visit.by, note=note)
    return Redirect(f"/shops/{shop.org}/rules/publish", Notice("notice.approval_asked"))


async def _review(visit: Visit, *, error: str = "") -> View:
    shop = await visit.context.shops.describe(visit.org)
    draft = await working_copies.load(visit.context.redis, shop.org)
    review = None
    if draft is not None:
        review = await visit.cpu.run(
            editor.review_copy, shop.org, draft.document, draft.parent, visit.language
        )
    request = await working_copies.load_request(visit.context.redis, shop.org)
    if request is not None and (review is None or request.content != review.content):
        request = None
    needs_approval = review is not None and review.effect is not None and review.effect.needs_approval
    model = PublishReview(
        shop,
        draft,
        review,
        request,
        is_behind=draft is not None and review is not None and draft.parent != review.live,
        may_publish=visit.may("ops") or not needs_approval,
        note=visit.posted("note") or (request.note if request is not None else ""),
        error=error,
    )
    crumbs = (Crumb(visit.t("rules.title"), f"/shops/{shop.org}/rules"),)
    status = 422 if error else 200
    return View("rules/publish.html", model, visit.t("review.title"), crumbs, status=status)


PAGES: Final = (
    Page("GET", "/shops/{org}/rules/publish", show_publish, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/publish", publish, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/publish/ask", ask_approval, Role.MARKETER),
)
