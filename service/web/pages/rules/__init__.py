"""The marketers' pages around the editors: the list of rules, import and export."""

from service.web.pages.rules import listing, transfer
from service.web.pages.shell import PageGroup

GROUP = PageGroup(pages=(*transfer.PAGES, *listing.PAGES), sections=listing.SECTIONS)

__all__ = ["GROUP"]
