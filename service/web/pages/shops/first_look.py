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
from service.store.tasks import PageTask
from service.web.pages.publishing import reviewed, show_progress, submit
from service.web.pages.shell import Crumb, Page, Redirect, View, Visit, parse_count


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
    crumbs = (Crumb(visit.t("shops.title"), "/shops"), Crumb(shop.name, f"/shops/{shop.org}"))
    effect = None
    if is_waiting:
        live = await visit.context.versions.live_number(shop.org)
        found = await reviewed(visit, f"first-look-{live}", Effect, load_effect)
        if isinstance(found, PageTask):
            path = f"/shops/{shop.org}/first-look"
            return show_progress(visit, found, path, visit.t("first_look.title"), crumbs)
        effect = found
    model = FirstLookPage(shop, shop.first_look, effect, is_waiting and visit.may(Role.OPS))
    return View("shops/first_look.html", model, visit.t("first_look.title"), crumbs)


async def approve_first_look(visit: Visit) -> View | Redirect:
    """Approve what was shown. Refused if other rules went live meanwhile."""
    version = parse_count(visit.posted("version"))
    return await submit(visit, "approve", approve, version=version, by=visit.by)


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


async def approve(context: Context, org: OrgId, *, version: int | None, by: Actor) -> int:
    """Approve the preview of this version, and return it. In the CPU pool. Raises Refused, Forbidden."""
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
    return draft.parent


PAGES: Final = (
    Page("GET", "/shops/{org}/first-look", show_first_look, Role.VIEWER),
    Page("POST", "/shops/{org}/first-look", approve_first_look, Role.OPS),
)
