"""The first look at a shop: what the live rules would write to the customers that were read, and its approval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.context import Context
from service.domain.access import Actor, Role
from service.domain.customers import OrgId
from service.errors import Refused
from service.publishing import first_look
from service.sentence import Sentence
from service.store.shops import FirstLook, Shop
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit, parse_count


@dataclass(frozen=True, slots=True)
class TagEffect:
    """How many customers would get and lose a tag."""

    tag: str
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What an approval of this version would write."""

    version: int
    customers: int
    touched: int
    added: int
    removed: int
    tags: tuple[TagEffect, ...]


@dataclass(frozen=True, slots=True)
class FirstLookPage:
    """The state; with the effect once everybody was read."""

    shop: Shop
    state: FirstLook
    effect: Effect | None
    may_approve: bool


async def show_first_look(visit: Visit) -> View | Redirect:
    """The state of the first look, and the preview that waits for an approval."""
    shop = await visit.context.shops.describe(visit.org)
    is_waiting = shop.first_look == "waiting"
    effect = await visit.cpu.run(load_effect, shop.org) if is_waiting else None
    model = FirstLookPage(shop, shop.first_look, effect, is_waiting and visit.may(Role.OPS))
    crumbs = (Crumb(visit.t("shops.title"), "/shops"), Crumb(shop.name, f"/shops/{shop.org}"))
    return View("shops/first_look.html", model, visit.t("first_look.title"), crumbs)


async def approve_first_look(visit: Visit) -> View | Redirect:
    """Approve what was shown. Refused if other rules went live meanwhile."""
    version = parse_count(visit.posted("version"))
    await visit.cpu.run(approve, visit.org, version=version, by=visit.by)
    return Redirect(f"/shops/{visit.org}", Notice("notice.first_look_approved"))


async def load_effect(context: Context, org: OrgId) -> Effect:
    """Evaluate the live rules for everybody. In the CPU pool."""
    draft = await first_look.draft_approval(context, await context.shops.get_or_raise(org))
    preview = draft.report.preview
    return Effect(
        version=draft.parent,
        customers=preview.customers,
        touched=preview.touched,
        added=preview.added,
        removed=preview.removed,
        tags=tuple(TagEffect(tag.tag, tag.added, tag.removed) for tag in preview.tags),
    )


async def approve(context: Context, org: OrgId, *, version: int | None, by: Actor) -> None:
    """Approve the preview of this version. In the CPU pool. Raises Refused, Forbidden."""
    shop = await context.shops.get_or_raise(org)
    draft = await first_look.draft_approval(context, shop)
    if draft.parent != version:
        raise Refused(
            Sentence(
                "version {parent} went live after this preview was shown: look at it again",
                parent=draft.parent,
            )
        )
    await first_look.approve(context, shop, draft, by=by)


PAGES: Final = (
    Page("GET", "/shops/{org}/first-look", show_first_look, Role.VIEWER),
    Page("POST", "/shops/{org}/first-look", approve_first_look, Role.OPS),
)
