"""The marketers' pages: the list of rules, the editors of rules and tiers."""

from service.web.pages.rules import editor, listing
from service.web.pages.shell import PageGroup

GROUP = PageGroup(pages=(*listing.PAGES, *editor.PAGES), sections=listing.SECTIONS)

__all__ = ["GROUP"]
