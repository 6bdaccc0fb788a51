"""The pages of what happens: changes and webhooks as one feed, failed writes, replays, and pictures of weeks.

The page of a shop shows some of the pictures, too."""

from service.web.pages.activity import dead_letters, deliveries, feed_pages, load, replay, runs
from service.web.pages.activity.charts import Plot, sample_plots
from service.web.pages.activity.load import load_plots
from service.web.pages.activity.span import Span, read_span
from service.web.pages.shell import PageGroup

GROUP = PageGroup(
    pages=(
        *feed_pages.PAGES,
        *load.PAGES,
        *deliveries.PAGES,
        *dead_letters.PAGES,
        *replay.PAGES,
        *runs.PAGES,
    ),
    sections=(*feed_pages.SECTIONS, *deliveries.SECTIONS, *replay.SECTIONS),
)

__all__ = ["GROUP", "Plot", "Span", "load_plots", "read_span", "sample_plots"]
