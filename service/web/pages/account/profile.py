"""The visitor's own account: password and sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from service.domain.access import MAX_PASSWORD, MIN_PASSWORD, Role, User, password_problem
from service.errors import Refused
from service.operations import access
from service.web.pages.account.agents import describe_agent
from service.web.pages.shell import Notice, Page, Redirect, View, Visit, Visitor


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session of the visitor. `browser` is like Firefox, Windows."""

    browser: str
    created_ms: int
    used_ms: int
    is_this: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """The page. Without a password, or after a one-time link, the old password is not asked for."""

    user: User
    sessions: tuple[SessionRow, ...]
    asks_old: bool
    min_password: int = MIN_PASSWORD
    errors: Mapping[str, str] = field(default_factory=dict)


async def show_profile(visit: Visit) -> View | Redirect:
    """Who one is, the password, and where one is signed in."""
    return await _view(visit, {})


async def change_password(visit: Visit) -> View | Redirect:
    """Set a new password. All other sessions end, because somebody may have known the old one."""
    visitor = _visitor(visit)
    old = str(visit.form.get("old_password", "")) if _asks_old(visitor) else None
    new, again = (str(visit.form.get(name, "")) for name in ("new_password", "again_password"))
    if errors := _errors(visit, visitor, new, again):
        return await _view(visit, errors)
    account = f"password:{visitor.user.name}"
    if wait_s := visit.sign_ins.retry_after_s(visit.client, account):
        slow = visit.t("sign_in.slow", length=visit.t.plural("seconds", wait_s))
        return await _view(visit, {"old_password": slow})
    try:
        signed_in = await access.set_password(
            visit.context, visitor.user, old=old, new=new, agent=visit.agent
        )
    except Refused:  # the new one was checked above
        visit.sign_ins.add_failure(visit.client, account)
        return await _view(visit, {"old_password": visit.t("profile.password.wrong")})
    return Redirect("/profile", Notice("notice.password_set"), session=signed_in.secret.text)


async def sign_out_everywhere(visit: Visit) -> View | Redirect:
    """End every session, this one too."""
    await access.end_sessions(visit.context, _visitor(visit).user)
    return Redirect("/login", Notice("notice.signed_out_everywhere"), session="")


async def _view(visit: Visit, errors: Mapping[str, str]) -> View:
    visitor = _visitor(visit)
    now_ms = await visit.context.now_ms()
    uses = await access.list_sessions(visit.context, visitor.user)
    rows = tuple(
        SessionRow(
            browser=describe_agent(use.session.agent) or visit.t("profile.unknown_browser"),
            created_ms=use.session.created_ms,
            used_ms=max(use.used_ms, use.session.created_ms),
            is_this=use.digest == visitor.use.digest,
        )
        for use in uses
        if not use.session.is_over(use.used_ms, now_ms)
    )
    model = Profile(visitor.user, rows, _asks_old(visitor), errors=errors)
    return View("account/profile.html", model, visit.t("profile.title"), status=422 if errors else 200)


def _errors(visit: Visit, visitor: Visitor, new: str, again: str) -> dict[str, str]:
    user = visitor.user
    if problem := password_problem(new, email=user.email, name=user.name):
        text = visit.t(f"profile.password.{problem}", least=MIN_PASSWORD, most=MAX_PASSWORD)
        return {"new_password": text}
    if new != again:
        return {"again_password": visit.t("profile.password.differs")}
    return {}


def _asks_old(visitor: Visitor) -> bool:
    return bool(visitor.user.password) and not visitor.use.session.by_link


def _visitor(visit: Visit) -> Visitor:
    assert visit.visitor is not None  # noqa: S101  # every page here has a role
    return visit.visitor


PAGES: Final = (
    Page("GET", "/profile", show_profile, Role.VIEWER),
    Page("POST", "/profile/password", change_password, Role.VIEWER),
    Page("POST", "/profile/sign-out-everywhere", sign_out_everywhere, Role.VIEWER),
)
