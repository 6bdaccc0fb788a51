"""The pages of customers: find one, and see why it has a tag or not.

They show what is stored. To read a customer again is a replay, which a worker executes."""

from service.web.pages.customers import changes, explain, search
from service.web.pages.customers.explanation import moment_path
from service.web.pages.shell import PageGroup

GROUP = PageGroup(
    pages=(*search.PAGES, *explain.PAGES, *changes.PAGES),
    sections=search.SECTIONS,
)

__all__ = ["GROUP", "moment_path"]
