"""What a page is: a route with a role and a handler, and what a handler takes and returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from starlette.datastructures import FormData, QueryParams

from service.alerts import Alerts
from service.context import Context
from service.cpu_pool import CpuRunner
from service.doctor import DoctorCache
from service.domain.access import Actor, Role, User
from service.domain.customers import OrgId
from service.domain.explain import Language, Translator
from service.runtime import BackgroundTasks
from service.store.access import SessionUse
from service.web.authentication import SignInLimiter

Method = Literal["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in."""

    user: User
    actor: Actor
    use: SessionUse
    form_token: str  # every form of the session carries it


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a page, after authentication and authorization.

    `form` holds what was posted, and is empty for a GET. Work that parses rules or evaluates many customers goes to
    `cpu`, see service/cpu_pool.py.
    """

    context: Context
    cpu: CpuRunner
    t: Translator
    path: Mapping[str, str]
    query: QueryParams
    form: FormData
    client: str  # the address, as failures of the sign-in are counted
    agent: str
    url: str  # scheme and host, as the browser sees them
    is_partial: bool  # htmx asked: answer with a part of the page
    sign_ins: SignInLimiter
    doctor: DoctorCache
    alerts: Alerts
    background: BackgroundTasks  # work that may outlive the request
    visitor: Visitor | None = None

    @property
    def by(self) -> Actor:
        """Who asks. Only for pages with a role."""
        assert self.visitor is not None  # noqa: S101  # the responder let nobody else through
        return self.visitor.actor

    @property
    def org(self) -> OrgId:
        """The shop in the path of the page. The visitor may reach it."""
        return OrgId(self.path["org"])

    @property
    def language(self) -> Language:
        """The language of the page."""
        return self.t.language

    def may(self, role: str) -> bool:
        """Whether the visitor's role is at least this one: templates hide what would be refused."""
        return self.visitor is not None and self.visitor.actor.may(Role(role))

    def posted(self, name: str) -> str:
        """A field of the form without blanks around it, "" if it was not posted."""
        value = self.form.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    def posted_all(self, name: str) -> list[str]:
        """Every value of a field, such as checked boxes."""
        return [value for value in self.form.getlist(name) if isinstance(value, str)]


@dataclass(frozen=True, slots=True)
class Crumb:
    """A link of the breadcrumb."""

    text: str
    path: str


@dataclass(frozen=True, slots=True)
class View:
    """A page to render. The template finds `model` as `view`, and `title` is the page's one heading."""

    template: str
    model: object
    title: str = ""
    crumbs: tuple[Crumb, ...] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """A short message on the next page, as a key of the catalogs with its placeholders."""

    key: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Redirect:
    """After a change: see another page, which shows the notice. `session` None keeps the cookie, "" deletes it."""

    path: str
    notice: Notice | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """A file that the browser saves."""

    name: str
    media_type: str
    content: bytes


Handler = Callable[[Visit], Awaitable["View | Redirect | Download"]]


@dataclass(frozen=True, slots=True)
class Page:
    """A page, or a change that one makes. `role` is the least role; None: nobody needs to be signed in.

    A page of `every_shop` shows or changes what belongs to no single shop, so a user of some shops may not see it.
    """

    method: Method
    path: str
    handler: Handler
    role: Role | None
    every_shop: bool = False

    @property
    def name(self) -> str:
        """The name in the log."""
        return self.handler.__name__


@dataclass(frozen=True, slots=True)
class Section:
    """An entry of the navigation. `key` names its text, `section.KEY`; a path with {org} belongs to the current shop.

    What people seldom need is `in_menu`: it stands in the menu of the account.
    """

    key: str
    path: str
    role: Role = Role.VIEWER
    every_shop: bool = False
    in_menu: bool = False


@dataclass(frozen=True, slots=True)
class PageGroup:
    """The pages of one subject, and their entries in the navigation."""

    pages: tuple[Page, ...]
    sections: tuple[Section, ...] = ()
