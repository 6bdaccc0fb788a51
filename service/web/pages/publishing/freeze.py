"""The freeze of a shop: its days, and what is written when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from service.domain.access import Role
from service.publishing import freeze, review
from service.publishing.review import CopyReview
from service.store.shops import FreezeState, Shop
from service.store.tasks import PageTask
from service.web.pages.publishing import working
from service.web.pages.publishing.people import names_in
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit, parse_count, parse_day


@dataclass(frozen=True, slots=True)
class FreezePage:
    """The freeze with its state, and what its end would write; `state` is "" without a freeze."""

    shop: Shop
    state: FreezeState | str
    first: str
    last: str
    review: CopyReview | None = None
    may_end: bool = False
    errors: tuple[tuple[str, str], ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)


async def show_freeze(visit: Visit) -> View | Redirect:
    """The freeze of the shop, or the form for one."""
    return await _show(visit)


async def set_freeze(visit: Visit) -> View | Redirect:
    """Freeze the shop between two days, or change the days."""
    shop = await visit.context.shops.describe(visit.org)
    first, last = parse_day(visit.posted("first")), parse_day(visit.posted("last"))
    if first is None or last is None:
        wrong = [name for name, day in (("first", first), ("last", last)) if day is None]
        return await _show(visit, errors=tuple((name, visit.t("freeze.day.error")) for name in wrong))
    try:
        await freeze.set_freeze(visit.context, shop, first, last, by=visit.by)
    except freeze.WrongDays as exc:
        return await _show(visit, errors=((exc.field, visit.t(f"freeze.error.{exc.key}")),))
    return Redirect(_path(visit), Notice("notice.frozen"))


async def end_freeze(visit: Visit) -> View | Redirect:
    """End the freeze under the version that the reader saw. One that has not begun is cancelled."""
    shop = await visit.context.shops.describe(visit.org)
    if await freeze.is_planned(visit.context, shop):
        await freeze.cancel_freeze(visit.context, shop, by=visit.by)
        return Redirect(_path(visit), Notice("notice.freeze_cancelled"))
    return await working.submit(
        visit,
        "unfreeze",
        review.end_freeze,
        live=parse_count(visit.posted("live")) or 0,
        by=visit.by,
        approved=bool(visit.posted("approve")),
    )


async def _show(visit: Visit, *, errors: tuple[tuple[str, str], ...] = ()) -> View:
    shop = await visit.context.shops.describe(visit.org)
    title = visit.t("freeze.title")
    crumbs = (Crumb(shop.name, f"/shops/{shop.org}"),)
    status = 422 if errors else 200
    now_ms, frozen = await visit.context.now_ms(), shop.freeze
    state: FreezeState | str = "" if frozen is None else frozen.state(now_ms)
    first = visit.posted("first") or ("" if frozen is None else frozen.first.isoformat())
    last = visit.posted("last") or ("" if frozen is None else frozen.last.isoformat())
    model = FreezePage(shop, state, first, last, errors=errors)
    if state not in ("active", "waiting") or not visit.may("marketer"):
        return View("publishing/freeze.html", model, title, crumbs, status=status)
    live = await visit.context.versions.live_number(shop.org)
    found = await working.reviewed(
        visit,
        f"unfreeze-{live}-{visit.language}",
        CopyReview,
        review.review_end_of_freeze,
        visit.language,
    )
    if isinstance(found, PageTask):
        return working.show_progress(visit, found, _path(visit), title, crumbs)
    needs_approval = found.effect is not None and found.effect.needs_approval
    may_end, names = visit.may("ops") or not needs_approval, await names_in(visit, found.effect)
    model = replace(model, review=found, may_end=may_end, names=names)
    return View("publishing/freeze.html", model, title, crumbs, status=status)


def _path(visit: Visit) -> str:
    return f"/shops/{visit.org}/freeze"


PAGES: Final = (
    Page("GET", "/shops/{org}/freeze", show_freeze, Role.VIEWER),
    Page("POST", "/shops/{org}/freeze", set_freeze, Role.MARKETER),
    Page("POST", "/shops/{org}/freeze/end", end_freeze, Role.MARKETER),
)
