"""Tokens of the ops API: list, make, revoke. For owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from service.domain.access import Role, Shops, Token
from service.errors import Refused
from service.operations import add_token as create_token
from service.operations import list_tokens
from service.operations import revoke_token as remove_token
from service.web.pages.account.reach import ShopChoice, list_shop_choices, read_role, read_shops, shops_text
from service.web.pages.shell import Crumb, Notice, Page, Redirect, Section, View, Visit

DAY_MS: Final = 86_400_000
EXPIRIES: Final = (30, 90, 365, 0)  # days; 0: never


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token in the list."""

    token: Token
    shops: str
    used_ms: int
    is_expired: bool


@dataclass(frozen=True, slots=True)
class TokenList:
    """The list. `secret` is a new token, shown once."""

    rows: tuple[TokenRow, ...]
    secret: str = ""
    secret_name: str = ""


@dataclass(frozen=True, slots=True)
class TokenForm:
    """The form of a new token."""

    name: str
    role: Role
    shops: Shops
    days: int
    choices: tuple[ShopChoice, ...]
    expiries: tuple[int, ...] = EXPIRIES
    errors: Mapping[str, str] = field(default_factory=dict)


async def show_tokens(visit: Visit) -> View | Redirect:
    """Every token, also those that have expired."""
    return await _list(visit)


async def show_new_token(visit: Visit) -> View | Redirect:
    """The form of a new token."""
    form = TokenForm("", Role.VIEWER, None, 90, await list_shop_choices(visit))
    return _form(visit, form)


async def add_token(visit: Visit) -> View | Redirect:
    """Make a token, and show it once."""
    days = int(text) if (text := visit.posted("days")) in map(str, EXPIRIES) else EXPIRIES[0]
    name, role, shops = visit.posted("name"), read_role(visit), await read_shops(visit)
    choices = await list_shop_choices(visit)
    if shops is not None and not shops:
        errors = {"shops": visit.t("users.error.shops")}
        return _form(visit, TokenForm(name, role, shops, days, choices, errors=errors))
    expires_ms = await visit.context.now_ms() + days * DAY_MS if days else 0
    try:
        created = await create_token(
            visit.context, name, role, shops=shops, expires_ms=expires_ms, by=visit.by
        )
    except Refused:  # shops and expiry are ours, so the name is wrong or taken
        errors = {"name": visit.t("tokens.error.name")}
        return _form(visit, TokenForm(name, role, shops, days, choices, errors=errors))
    return await _list(visit, secret=created.secret, secret_name=name)


async def revoke_token(visit: Visit) -> View | Redirect:
    """Delete a token: its next request is refused."""
    name = visit.path["name"]
    await remove_token(visit.context, name, by=visit.by)
    return Redirect("/tokens", Notice("notice.token_revoked", {"name": name}))


async def _list(visit: Visit, *, secret: str = "", secret_name: str = "") -> View:
    choices = await list_shop_choices(visit)
    now_ms = await visit.context.now_ms()
    rows = tuple(
        TokenRow(
            use.token, shops_text(visit, use.token.shops, choices), use.used_ms, use.token.is_expired(now_ms)
        )
        for use in await list_tokens(visit.context)
    )
    return View("account/tokens.html", TokenList(rows, secret, secret_name), visit.t("tokens.title"))


def _form(visit: Visit, form: TokenForm) -> View:
    crumbs = (Crumb(visit.t("tokens.title"), "/tokens"),)
    return View("account/token.html", form, visit.t("tokens.new"), crumbs, status=422 if form.errors else 200)


SECTIONS: Final = (Section("tokens", "/tokens", Role.OWNER, every_shop=True, in_menu=True),)
PAGES: Final = (
    Page("GET", "/tokens", show_tokens, Role.OWNER, every_shop=True),
    Page("GET", "/tokens/new", show_new_token, Role.OWNER, every_shop=True),
    Page("POST", "/tokens/new", add_token, Role.OWNER, every_shop=True),
    Page("POST", "/tokens/{name}/revoke", revoke_token, Role.OWNER, every_shop=True),
)
