"""The pages of what happens: changes and webhooks as one feed, failed writes, replays, and pictures of the load."""

from service.web.pages.activity import dead_letters, deliveries, feed_pages, load
from service.web.pages.shell import PageGroup

GROUP = PageGroup(
    pages=(*feed_pages.PAGES, *load.PAGES, *deliveries.PAGES, *dead_letters.PAGES),
    sections=(*feed_pages.SECTIONS, *deliveries.SECTIONS),
)

__all__ = ["GROUP"]
