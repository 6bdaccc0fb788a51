"""The pages of shops: the list, the connection, pause and resume, and the first look."""

from service.web.pages.shell import PageGroup
from service.web.pages.shops import first_look, overview

GROUP = PageGroup(pages=(*overview.PAGES, *first_look.PAGES), sections=overview.SECTIONS)

__all__ = ["GROUP"]
