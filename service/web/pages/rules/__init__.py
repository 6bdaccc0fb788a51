"""The marketers' pages around the editors: the list of rules, import and export, the review before a publish, the history."""

from service.web.pages.rules import history, listing, publish, transfer
from service.web.pages.shell import PageGroup

GROUP = PageGroup(
    pages=(*transfer.PAGES, *listing.PAGES, *publish.PAGES, *history.PAGES),
    sections=(*listing.SECTIONS, *history.SECTIONS),
)

__all__ = ["GROUP"]
