"""The pages of shops: the list, the connection, the health, pause and resume, and the first look."""

from service.web.pages.shell import PageGroup
from service.web.pages.shops import first_look, health, overview

GROUP = PageGroup(pages=(*overview.PAGES, *health.PAGES, *first_look.PAGES), sections=overview.SECTIONS)

__all__ = ["GROUP"]
