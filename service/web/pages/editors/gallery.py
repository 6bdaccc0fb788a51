"""The gallery of templates: rules that most shops have, to begin with, and an empty one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from service.domain.access import Role
from service.domain.explain import Translator
from service.errors import NotFound
from service.publishing import editor
from service.sentence import Sentence
from service.store.shops import Shop
from service.web.pages.editors.drafts import crumbs_to
from service.web.pages.editors.tiers import NEW_TIER
from service.web.pages.shell import Page, Redirect, View, Visit

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A rule to begin with. Its name, its tag and its text are in the catalogs: `rules.template.KEY`."""

    key: str
    when: Data

    def entry(self, t: Translator) -> Data:
        """The rule of a draft."""
        return {
            "id": self.key.replace("_", "-"),
            "name": t(f"rules.template.{self.key}"),
            "tag": t(f"rules.template.{self.key}.tag"),
            "enabled": True,
            "keep": "while_matching",
            "owns": "added",
            "when_gone": "leave",
            "when": self.when,
        }


def _condition(field: str, op: str, value: Any = None) -> Data:
    return {"field": field, "op": op, **({} if value is None else {"value": value})}


def _all(*parts: Data) -> Data:
    return {"all": [*parts]}


TEMPLATES: Final = (
    Template("vip", _all(_condition("total_spent", "at_least", 5_000_000))),
    Template(
        "dormant",
        _all(
            _condition("orders_count", "at_least", 1),
            _condition("last_order_date", "more_than_ago", "90 days"),
        ),
    ),
    Template("birthday", _all(_condition("birthday", "this_month"))),
    Template("new", _all(_condition("created_at", "within_last", "30 days"))),
    Template("province", _all({"field": "province", "op": "in", "value": []})),
    Template(
        "subscriber",
        _all(_condition("accepts_marketing", "is", True), _condition("orders_count", "at_least", 3)),
    ),
    Template("group", _all({"field": "group", "op": "is", "value": None})),
    Template("blank", _all({"field": "total_spent", "op": "at_least", "value": None})),
)
BY_KEY: Final = {template.key: template for template in TEMPLATES}


@dataclass(frozen=True, slots=True)
class Gallery:
    """The templates that can be added to a shop's draft."""

    shop: Shop
    templates: tuple[Template, ...] = TEMPLATES


async def show_gallery(visit: Visit) -> View | Redirect:
    """The templates."""
    shop = await visit.context.shops.describe(visit.org)
    return View("editors/new.html", Gallery(shop), visit.t("rules.new"), crumbs_to(visit, shop))


async def add_rule(visit: Visit) -> View | Redirect:
    """Add a rule from a template, or a tier, to the draft."""
    shop = await visit.context.shops.describe(visit.org)
    key = visit.posted("template")
    if key == "tier":
        kind, entry = "tiers", NEW_TIER | {"name": visit.t("rules.template.tier")}
    elif key in BY_KEY:
        kind, entry = "rules", BY_KEY[key].entry(visit.t)
    else:
        raise NotFound(Sentence("there is no template {template}", template=key[:40]))
    entry_id = await editor.add_entry(visit.context, shop, kind, entry, by=visit.by)
    return Redirect(f"/shops/{shop.org}/rules/{entry_id}/edit")


PAGES: Final = (
    Page("GET", "/shops/{org}/rules/new", show_gallery, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/new", add_rule, Role.MARKETER),
)
