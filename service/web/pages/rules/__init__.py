"""The marketers' pages: the list of rules, the editors of rules and tiers, the review before a publish, the history."""

from service.web.pages.rules import editor, history, listing, publish
from service.web.pages.shell import PageGroup

GROUP = PageGroup(
    pages=(*listing.PAGES, *editor.PAGES, *publish.PAGES, *history.PAGES),
    sections=(*listing.SECTIONS, *history.SECTIONS),
)

__all__ = ["GROUP"]
