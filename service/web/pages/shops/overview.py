"""Shops: which there are, whether they work, and their pause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.domain.access import Role
from service.errors import TokenRefused, TokenUnchecked
from service.operations import ask_worker, pause_shop, resume_shop
from service.store.shops import Shop
from service.web.pages.activity import Plot, load_plots
from service.web.pages.shell import Crumb, Notice, Page, Redirect, Section, Strip, View, Visit, load_strip

MAX_REASON: Final = 200
PLOT_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class ShopRow:
    """A shop with its state."""

    shop: Shop
    strip: Strip


@dataclass(frozen=True, slots=True)
class ShopPage:
    """A shop with its state, and pictures of its tags in the last weeks."""

    shop: Shop
    strip: Strip
    plots: tuple[Plot, ...]


@dataclass(frozen=True, slots=True)
class ShopList:
    """Every shop that the visitor may reach."""

    rows: tuple[ShopRow, ...]


@dataclass(frozen=True, slots=True)
class PauseForm:
    """The pause of a shop: who paused it, or the form to pause it."""

    shop: Shop
    reason: str = ""
    error: str = ""


async def show_shops(visit: Visit) -> View | Redirect:
    """Every shop with its state."""
    shops = [
        await visit.context.shops.describe(org)
        for org in await visit.context.shops.orgs()
        if visit.by.may_reach(org)
    ]
    rows = [
        ShopRow(shop, await load_strip(visit.context, visit.doctor, shop, visit.language)) for shop in shops
    ]
    return View("shops/list.html", ShopList(tuple(rows)), visit.t("shops.title"))


async def show_shop(visit: Visit) -> View | Redirect:
    """One shop: its state and its connection."""
    shop = await visit.context.shops.describe(visit.org)
    strip = await load_strip(visit.context, visit.doctor, shop, visit.language)
    plots = await visit.cpu.run(
        load_plots, shop.org, language=visit.language, days=PLOT_DAYS, of_tags_only=True
    )
    crumbs = (Crumb(visit.t("shops.title"), "/shops"),)
    return View("shops/shop.html", ShopPage(shop, strip, plots), shop.name, crumbs)


async def show_strip(visit: Visit) -> View | Redirect:
    """The health strip alone, for pages that are open."""
    await visit.context.shops.describe(visit.org)
    return View("shell/strip.html", None)


async def show_pause(visit: Visit) -> View | Redirect:
    """What a pause means, and the form for it."""
    return _pause_form(visit, PauseForm(await visit.context.shops.describe(visit.org)))


async def pause(visit: Visit) -> View | Redirect:
    """Stop all work of the shop. Webhooks are still recorded."""
    shop = await visit.context.shops.describe(visit.org)
    reason = visit.posted("reason")
    if not 0 < len(reason) <= MAX_REASON:
        return _pause_form(visit, PauseForm(shop, reason[:MAX_REASON], visit.t("shops.pause.error")))
    await pause_shop(visit.context, shop.org, reason=reason, by=visit.by)
    return Redirect(f"/shops/{shop.org}", Notice("notice.paused", {"shop": shop.name}))


async def resume(visit: Visit) -> View | Redirect:
    """Go on with the work of the shop, and with removals that the guard paused."""
    context, shop = visit.context, await visit.context.shops.describe(visit.org)
    removals = bool(visit.posted("removals"))
    try:
        await resume_shop(context, shop.org, removals=removals, ask=ask_worker(context), by=visit.by)
    except (TokenRefused, TokenUnchecked) as exc:
        return _pause_form(visit, PauseForm(shop, error=exc.text(visit.t)))
    return Redirect(f"/shops/{shop.org}", Notice("notice.resumed", {"shop": shop.name}))


def _pause_form(visit: Visit, form: PauseForm) -> View:
    crumbs = (Crumb(visit.t("shops.title"), "/shops"), Crumb(form.shop.name, f"/shops/{form.shop.org}"))
    title = visit.t("shops.resume.title" if form.shop.paused else "shops.pause.title")
    return View("shops/pause.html", form, title, crumbs, status=422 if form.error else 200)


SECTIONS: Final = (Section("overview", "/shops/{org}"),)
PAGES: Final = (
    Page("GET", "/shops", show_shops, Role.VIEWER),
    Page("GET", "/shops/{org}", show_shop, Role.VIEWER),
    Page("GET", "/shops/{org}/strip", show_strip, Role.VIEWER),
    Page("GET", "/shops/{org}/pause", show_pause, Role.MARKETER),
    Page("POST", "/shops/{org}/pause", pause, Role.MARKETER),
    Page("POST", "/shops/{org}/resume", resume, Role.OPS),
)
