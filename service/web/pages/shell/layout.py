"""What stands around every page: navigation, shops to choose, languages, the health strip, and a notice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from service.context import Context
from service.domain.customers import OrgId
from service.domain.explain import LANGUAGES, Language
from service.store.shops import DEFAULT_TIMEZONE, Shop
from service.web.pages.shell.formats import Formats
from service.web.pages.shell.page import Notice, Section, View, Visit, Visitor
from service.web.pages.shell.strip import Strip, load_strip

LANGUAGE_NAMES: Final = {"vi": "Tiếng Việt", "en": "English"}
SHOP_PATH: Final = re.compile("/shops/[0-9]+(/.*)?")


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the navigation."""

    text: str
    path: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class LanguageLink:
    """A language to switch to, with its name in the language itself."""

    code: Language
    name: str
    path: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """The model of the shell. `shop` is None on pages of no shop."""

    visitor: Visitor | None
    sections: tuple[Link, ...]
    menu: tuple[Link, ...]  # the sections in the menu of the account
    shop: Shop | None
    shops: tuple[Link, ...]
    languages: tuple[LanguageLink, ...]
    strip: Strip | None
    formats: Formats
    notice: str
    form_token: str


async def build_layout(
    visit: Visit,
    *,
    sections: Sequence[Section],
    path: str,
    query: Sequence[tuple[str, str]],
    notice: Notice | None,
) -> Layout:
    """Gather what stands around a page. Errors of the shop's state never hide the page itself."""
    context, visitor = visit.context, visit.visitor
    now_ms = await context.now_ms()
    shops = await _shops(context, visitor)
    shop = next((each for each in shops if each.org == visit.path.get("org")), None)
    zone = shop.timezone if shop is not None else DEFAULT_TIMEZONE
    home = shop if shop is not None else (shops[0] if len(shops) == 1 else None)
    return Layout(
        visitor=visitor,
        sections=_sections(visit, [each for each in sections if not each.in_menu], home, path),
        menu=_sections(visit, [each for each in sections if each.in_menu], home, path),
        shop=shop,
        shops=tuple(_shop_link(each, shop, path) for each in shops),
        languages=tuple(_language_link(code, visit.language, path, query) for code in LANGUAGES),
        strip=None if shop is None else await load_strip(context, visit.doctor, shop, visit.language),
        formats=Formats(visit.t, zone, now_ms),
        notice=_text(visit, notice),
        form_token=visitor.form_token if visitor is not None else "",
    )


def crumbs_title(view: View) -> str:
    """The title of the browser's tab: the page first, then where it belongs."""
    return " · ".join([view.title, *(crumb.text for crumb in reversed(view.crumbs))])


async def _shops(context: Context, visitor: Visitor | None) -> list[Shop]:
    if visitor is None:
        return []
    orgs = [org for org in await context.shops.orgs() if visitor.actor.may_reach(org)]
    return [await context.shops.describe(org) for org in orgs]


def _sections(visit: Visit, sections: Sequence[Section], shop: Shop | None, path: str) -> tuple[Link, ...]:
    """Those that the visitor may see. The longest that starts the path is the current one."""
    if visit.visitor is None:
        return ()
    actor = visit.visitor.actor
    shown = [
        (section.key, section.path.replace("{org}", shop.org if shop is not None else ""))
        for section in sections
        if actor.may(section.role)
        and (actor.shops is None or not section.every_shop)
        and (shop is not None or "{org}" not in section.path)
    ]
    current = max((target for _, target in shown if _is_within(path, target)), key=len, default="")
    return tuple(Link(visit.t(f"section.{key}"), target, target == current) for key, target in shown)


def _is_within(path: str, parent: str) -> bool:
    return path == parent or path.startswith(f"{parent.rstrip('/')}/")


def _shop_link(shop: Shop, current: Shop | None, path: str) -> Link:
    """Another shop keeps the section: from the rules of one shop to the rules of the other."""
    match = SHOP_PATH.fullmatch(path)
    section = "/".join((match[1] or "").split("/")[:2]) if match else ""
    return Link(shop.name, f"/shops/{shop.org}{section}", current is not None and shop.org == current.org)


def _language_link(
    code: Language, current: Language, path: str, query: Sequence[tuple[str, str]]
) -> LanguageLink:
    kept = [(name, value) for name, value in query if name != "lang"]
    return LanguageLink(
        code, LANGUAGE_NAMES[code], f"{quote(path)}?{urlencode([*kept, ('lang', code)])}", code == current
    )


def _text(visit: Visit, notice: Notice | None) -> str:
    """The text of a notice; "" for one that our catalogs do not have, because a browser may send anything."""
    if notice is None or not notice.key.startswith("notice."):
        return ""
    try:
        return visit.t(notice.key, **notice.params)
    except (KeyError, IndexError, ValueError):
        return ""


def home_path(orgs: Sequence[OrgId]) -> str:
    """Where a visitor starts: the only shop, or the list of all."""
    return f"/shops/{orgs[0]}" if len(orgs) == 1 else "/shops"
