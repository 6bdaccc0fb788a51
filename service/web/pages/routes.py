"""The routes of all pages and of the files that browsers load."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from service.alerts import Alerts
from service.context import Context
from service.cpu_pool import CpuRunner
from service.doctor import DoctorCache
from service.web.authentication import SignInLimiter
from service.web.pages import account, activity, customers, design, editors, publishing, rules, shops
from service.web.pages.shell import Page, PageGroup, Responder, SecurityMiddleware, mounts

# In the order of the navigation.
GROUPS: Final[tuple[PageGroup, ...]] = (
    shops.GROUP,
    rules.GROUP,
    editors.GROUP,
    publishing.GROUP,
    customers.GROUP,
    activity.GROUP,
    account.GROUP,
)


class Pages(NamedTuple):
    """The routes of all pages, and the answer to paths that do not exist."""

    routes: list[BaseRoute]
    not_found: Callable[[Request, Exception], Awaitable[Response]]


def build_pages(
    context: Context,
    cpu: CpuRunner,
    alerts: Alerts,
    *,
    is_development: bool = False,
) -> Pages:
    """Build the pages. `is_development` adds /design."""
    groups = (*GROUPS, design.GROUP) if is_development else GROUPS
    sections = [section for group in groups for section in group.sections]
    responder = Responder(context, cpu, SignInLimiter(alerts), sections, DoctorCache(cpu), alerts)
    middleware = [Middleware(SecurityMiddleware)]
    by_path: dict[str, list[Page]] = {}
    for group in groups:
        for page in group.pages:
            by_path.setdefault(page.path, []).append(page)
    page_routes = [
        *mounts(),
        *(
            Route(
                path,
                responder.endpoint(pages),
                methods=[page.method for page in pages],
                middleware=middleware,
            )
            for path, pages in by_path.items()
        ),
    ]
    return Pages(page_routes, responder.show_missing)
