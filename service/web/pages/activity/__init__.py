"""The pages of what happens: changes and webhooks as one feed, failed writes, replays, and pictures of the load."""

from service.web.pages.activity import dead_letters, deliveries
from service.web.pages.shell import PageGroup

GROUP = PageGroup(
    pages=(*deliveries.PAGES, *dead_letters.PAGES),
    sections=deliveries.SECTIONS,
)

__all__ = ["GROUP"]
