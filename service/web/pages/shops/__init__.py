"""The pages of shops: the list, the connection, pause and resume."""

from service.web.pages.shell import PageGroup
from service.web.pages.shops import overview

GROUP = PageGroup(pages=overview.PAGES, sections=overview.SECTIONS)

__all__ = ["GROUP"]
