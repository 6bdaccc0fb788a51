"""Endpoints of what happens to customers: deliveries, changes of tags, dead letters, replays, scans, and the progress of runs.

The routes take `ENDPOINTS`; other endpoints show the runs that they start in the same form."""

from service.web.ops.activity import dead_letters, deliveries, runs, scans, tag_changes
from service.web.ops.activity.filters import ShortText, SpanQuery
from service.web.ops.activity.runs import RUN_EXAMPLE, RunModel, to_run_model

ENDPOINTS = (
    *deliveries.ENDPOINTS,
    *tag_changes.ENDPOINTS,
    *dead_letters.ENDPOINTS,
    *runs.ENDPOINTS,
    *scans.ENDPOINTS,
)

__all__ = ["ENDPOINTS", "RUN_EXAMPLE", "RunModel", "ShortText", "SpanQuery", "to_run_model"]
