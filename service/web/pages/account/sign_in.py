"""Signing in with a password or a one-time link, and signing out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.domain.access import LINK_PATH, Role, normalize_email
from service.operations import access
from service.web.pages.shell import Notice, Page, Redirect, View, Visit, home_path, safe_path


@dataclass(frozen=True, slots=True)
class SignInForm:
    """The form. `problem` is the text of what went wrong, "" the first time."""

    email: str
    next_path: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LinkForm:
    """The page of a one-time link: a program that only looks at the address does not use the link up."""

    secret: str
    problem: str = ""


async def show_sign_in(visit: Visit) -> View | Redirect:
    """The form; somebody who is signed in goes on at once."""
    next_path = safe_path(visit.query.get("next", "/"))
    if visit.visitor is not None:
        return Redirect(next_path)
    return _form(visit, SignInForm("", next_path))


async def sign_in(visit: Visit) -> View | Redirect:
    """Check the password. What is wrong is not said, because it would say which addresses have an account."""
    email, next_path = visit.posted("email"), safe_path(visit.posted("next"))
    password = visit.form.get("password", "")
    account = normalize_email(email)
    if wait_s := visit.sign_ins.retry_after_s(visit.client, account):
        problem = visit.t("sign_in.slow", length=visit.t.plural("seconds", wait_s))
        return _form(visit, SignInForm(email, next_path, problem), status=429)
    signed_in = await access.sign_in(visit.context, email, str(password), agent=visit.agent)
    if signed_in is None:
        visit.sign_ins.add_failure(visit.client, account)
        return _form(visit, SignInForm(email, next_path, visit.t("sign_in.wrong")), status=422)
    return Redirect(next_path, session=signed_in.secret.text)


async def show_link(visit: Visit) -> View | Redirect:
    """Ask for one click, which uses the link up."""
    return View("account/link.html", LinkForm(visit.query.get("key", "")), visit.t("sign_in.link.title"))


async def use_link(visit: Visit) -> View | Redirect:
    """Sign in, and lead to the profile to choose a password."""
    secret = visit.posted("key")
    if visit.sign_ins.retry_after_s(visit.client):
        signed_in = None
    else:
        signed_in = await access.sign_in_by_link(visit.context, secret, agent=visit.agent)
    if signed_in is None:
        visit.sign_ins.add_failure(visit.client)
        form = LinkForm(secret, visit.t("sign_in.link.over"))
        return View("account/link.html", form, visit.t("sign_in.link.title"), status=422)
    return Redirect("/profile", Notice("notice.signed_in_by_link"), session=signed_in.secret.text)


async def sign_out(visit: Visit) -> View | Redirect:
    """End this session."""
    assert visit.visitor is not None  # noqa: S101  # the page has a role
    await access.end_session(visit.context, visit.visitor.user, visit.visitor.use.digest)
    return Redirect("/login", Notice("notice.signed_out"), session="")


async def show_start(visit: Visit) -> View | Redirect:
    """The only shop of the visitor, or the list of all."""
    return Redirect(home_path([org for org in await visit.context.shops.orgs() if visit.by.may_reach(org)]))


async def show_session(visit: Visit) -> View | Redirect:
    """The token for forms of an earlier session in another tab."""
    return View("account/session.html", None)


async def show_restored(visit: Visit) -> View | Redirect:
    """After a sign-in in another tab: the first one goes on where it was."""
    return View("account/restored.html", None, visit.t("sign_in.restored.title"))


def _form(visit: Visit, form: SignInForm, *, status: int = 200) -> View:
    return View("account/sign_in.html", form, visit.t("sign_in.title"), status=status)


PAGES: Final = (
    Page("GET", "/", show_start, Role.VIEWER),
    Page("GET", "/login", show_sign_in, None),
    Page("POST", "/login", sign_in, None),
    Page("GET", LINK_PATH, show_link, None),
    Page("POST", LINK_PATH, use_link, None),
    Page("POST", "/logout", sign_out, Role.VIEWER),
    Page("GET", "/session", show_session, Role.VIEWER),
    Page("GET", "/session/restored", show_restored, Role.VIEWER),
)
