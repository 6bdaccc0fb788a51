"""The pages of what goes live: the review, a scheduled publish, a freeze, the history with what each version has written.

Pages that evaluate all customers use `reviewed`, `submit` and `show_progress`."""

from service.web.pages.publishing import freeze, history, review, scheduled, working
from service.web.pages.publishing.working import reviewed, show_progress, submit
from service.web.pages.shell import PageGroup

GROUP = PageGroup(
    pages=(*review.PAGES, *scheduled.PAGES, *freeze.PAGES, *history.PAGES, *working.PAGES),
    sections=history.SECTIONS,
)

__all__ = ["GROUP", "reviewed", "show_progress", "submit"]
