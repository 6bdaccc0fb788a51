"""The page /design, in development only: every component of the pages in every state."""

from service.web.pages.design.components import PAGES
from service.web.pages.shell import PageGroup

GROUP = PageGroup(pages=PAGES)

__all__ = ["GROUP"]
