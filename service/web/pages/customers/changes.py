"""Exclusions of a customer: what one changes is shown before it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.context import Context
from service.domain.access import Actor, Role
from service.domain.customers import CustomerId, OrgId
from service.errors import NotFound
from service.operations import Exclusion, exclusions
from service.sentence import Sentence
from service.web.pages.customers.explain import crumbs, customer_path, shop_and_customer
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit

MAX_RULE: Final = 200


@dataclass(frozen=True, slots=True)
class ExclusionPage:
    """What an exclusion, or its end, would change."""

    path: str
    exclusion: Exclusion
    title: str  # of the rule


async def show_exclusion(visit: Visit) -> View | Redirect:
    """What changes if the customer is excluded from the rule, or included again."""
    shop, customer = await shop_and_customer(visit)
    rule, undo = visit.query.get("rule", ""), visit.query.get("undo") == "1"
    if not 0 < len(rule) <= MAX_RULE:
        raise NotFound(Sentence("no rule is named"))
    exclusion = await visit.cpu.run(plan_exclusion, shop.org, customer, rule, undo=undo)
    path = customer_path(shop, customer)
    live = await visit.context.versions.live_number(shop.org)
    document = await visit.context.versions.document(shop.org, live)
    names = {each.id: each.display_name(visit.language) for each in document.all}
    model = ExclusionPage(path, exclusion, names.get(rule, rule))
    title = visit.t("customers.include.title" if undo else "customers.exclude.title")
    way = (*crumbs(visit, shop), Crumb(f"#{customer}", path))
    return View("customers/exclusion.html", model, title, way)


async def change_exclusion(visit: Visit) -> View | Redirect:
    """Exclude the customer from the rule, or include it again."""
    shop, customer = await shop_and_customer(visit)
    rule, undo = visit.posted("rule")[:MAX_RULE], visit.posted("undo") == "1"
    await visit.cpu.run(store_exclusion, shop.org, customer, rule, undo=undo, by=visit.by)
    key = "notice.customer_included" if undo else "notice.customer_excluded"
    return Redirect(customer_path(shop, customer), Notice(key))


async def plan_exclusion(
    context: Context, org: OrgId, customer: CustomerId, rule: str, *, undo: bool
) -> Exclusion:
    """`exclusions.plan_exclusion` for the CPU pool: a shop with its data key is not sent to another process."""
    return await exclusions.plan_exclusion(
        context, await context.shops.get_or_raise(org), customer, rule, undo=undo
    )


async def store_exclusion(
    context: Context, org: OrgId, customer: CustomerId, rule: str, *, undo: bool, by: Actor
) -> None:
    """Plan and apply an exclusion, in the CPU pool."""
    shop = await context.shops.get_or_raise(org)
    exclusion = await exclusions.plan_exclusion(context, shop, customer, rule, undo=undo)
    await exclusions.apply_exclusion(context, shop, exclusion, by=by)


PAGES: Final = (
    Page("GET", "/shops/{org}/customers/{customer}/exclusion", show_exclusion, Role.MARKETER),
    Page("POST", "/shops/{org}/customers/{customer}/exclusion", change_exclusion, Role.MARKETER),
)
