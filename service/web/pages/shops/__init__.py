"""The pages of shops: the list, the connection, the health, pause and resume, the first look, and where events are sent."""

from service.web.pages.shell import PageGroup
from service.web.pages.shops import endpoints, first_look, health, overview

GROUP = PageGroup(
    pages=(*overview.PAGES, *health.PAGES, *first_look.PAGES, *endpoints.PAGES), sections=overview.SECTIONS
)

__all__ = ["GROUP"]
