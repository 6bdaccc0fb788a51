"""Users and their roles: list, add, change, remove, and one-time links. For owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from service.domain.access import Role, Shops, User, normalize_email, user_problem
from service.errors import NotFound
from service.operations import access
from service.sentence import Sentence
from service.web.pages.account.reach import ShopChoice, list_shop_choices, read_role, read_shops, shops_text
from service.web.pages.shell import Crumb, Notice, Page, Redirect, Section, View, Visit


@dataclass(frozen=True, slots=True)
class UserRow:
    """One user in the list."""

    user: User
    shops: str
    is_self: bool


@dataclass(frozen=True, slots=True)
class UserList:
    """The list. `link` is the address of a new one-time link for `link_name`, shown once."""

    rows: tuple[UserRow, ...]
    link: str = ""
    link_name: str = ""


@dataclass(frozen=True, slots=True)
class UserForm:
    """The form of a new user, or of an existing one's role and shops."""

    name: str
    email: str
    role: Role
    shops: Shops
    choices: tuple[ShopChoice, ...]
    is_new: bool
    errors: Mapping[str, str] = field(default_factory=dict)


async def show_users(visit: Visit) -> View | Redirect:
    """Every user."""
    return await _list(visit)


async def show_new_user(visit: Visit) -> View | Redirect:
    """The form of a new user."""
    return await _form(visit, UserForm("", "", Role.MARKETER, None, (), is_new=True))


async def add_user(visit: Visit) -> View | Redirect:
    """Add a user, and show the link to send them."""
    form = UserForm(
        visit.posted("name"),
        visit.posted("email"),
        read_role(visit),
        await read_shops(visit),
        (),
        is_new=True,
        errors={},
    )
    if errors := await _errors(visit, form):
        return await _form(visit, form, errors)
    secret = await access.add_user(
        visit.context, form.name, form.email, form.role, shops=form.shops, by=visit.by
    )
    return await _list(visit, link=f"{visit.url}{secret.link_path}", link_name=form.name)


async def show_user(visit: Visit) -> View | Redirect:
    """Role and shops of a user."""
    user = await _user(visit)
    shops = None if user.shops is None else frozenset(user.shops)
    return await _form(visit, UserForm(user.name, user.email, user.role, shops, (), is_new=False))


async def change_user(visit: Visit) -> View | Redirect:
    """Change role and shops."""
    user = await _user(visit)
    form = UserForm(user.name, user.email, read_role(visit), await read_shops(visit), (), is_new=False)
    if form.shops is not None and not form.shops:
        return await _form(visit, form, {"shops": visit.t("users.error.shops")})
    if await _would_lose_owner(visit, form):
        return await _form(visit, form, {"role": visit.t("users.error.last_owner")})
    await access.change_user(visit.context, user.name, form.role, shops=form.shops, by=visit.by)
    return Redirect("/users", Notice("notice.user_changed", {"name": user.name}))


async def create_link(visit: Visit) -> View | Redirect:
    """A one-time link for somebody who forgot the password."""
    user = await _user(visit)
    secret = await access.create_link(visit.context, user.name, by=visit.by)
    return await _list(visit, link=f"{visit.url}{secret.link_path}", link_name=user.name)


async def remove_user(visit: Visit) -> View | Redirect:
    """Remove a user. An owner cannot remove the own account by mistake, and the last owner stays."""
    user = await _user(visit)
    if user.name == visit.by.name:
        shops = None if user.shops is None else frozenset(user.shops)
        form = UserForm(user.name, user.email, user.role, shops, (), is_new=False)
        return await _form(visit, form, {"role": visit.t("users.error.self")})
    await access.remove_user(visit.context, user.name, by=visit.by)
    return Redirect("/users", Notice("notice.user_removed", {"name": user.name}))


async def _list(visit: Visit, *, link: str = "", link_name: str = "") -> View:
    choices = await list_shop_choices(visit)
    rows = tuple(
        UserRow(user, shops_text(visit, user.shops, choices), user.name == visit.by.name)
        for user in await access.list_users(visit.context)
    )
    return View("account/users.html", UserList(rows, link, link_name), visit.t("users.title"))


async def _form(visit: Visit, form: UserForm, errors: Mapping[str, str] | None = None) -> View:
    model = UserForm(
        form.name,
        form.email,
        form.role,
        form.shops,
        await list_shop_choices(visit),
        form.is_new,
        errors or {},
    )
    title = visit.t("users.new") if form.is_new else form.name
    crumbs = (Crumb(visit.t("users.title"), "/users"),)
    return View("account/user.html", model, title, crumbs, status=422 if errors else 200)


async def _errors(visit: Visit, form: UserForm) -> dict[str, str]:
    email = normalize_email(form.email)
    if problem := user_problem(form.name, email, form.shops):
        return {problem: visit.t(f"users.error.{problem}")}
    known = await access.list_users(visit.context)
    if any(user.name == form.name for user in known):
        return {"name": visit.t("users.error.name_taken")}
    if any(user.email == email for user in known):
        return {"email": visit.t("users.error.email_taken")}
    return {}


async def _would_lose_owner(visit: Visit, form: UserForm) -> bool:
    others = [user for user in await access.list_users(visit.context) if user.name != form.name]
    is_owner = form.role is Role.OWNER and form.shops is None
    return not is_owner and not any(user.role is Role.OWNER and user.shops is None for user in others)


async def _user(visit: Visit) -> User:
    name = visit.path["name"]
    for user in await access.list_users(visit.context):
        if user.name == name:
            return user
    raise NotFound(Sentence("there is no user {name}", name=name[:40]))


SECTIONS: Final = (Section("users", "/users", Role.OWNER, every_shop=True, in_menu=True),)
PAGES: Final = (
    Page("GET", "/users", show_users, Role.OWNER, every_shop=True),
    Page("GET", "/users/new", show_new_user, Role.OWNER, every_shop=True),
    Page("POST", "/users/new", add_user, Role.OWNER, every_shop=True),
    Page("GET", "/users/{name}", show_user, Role.OWNER, every_shop=True),
    Page("POST", "/users/{name}", change_user, Role.OWNER, every_shop=True),
    Page("POST", "/users/{name}/link", create_link, Role.OWNER, every_shop=True),
    Page("POST", "/users/{name}/remove", remove_user, Role.OWNER, every_shop=True),
)
