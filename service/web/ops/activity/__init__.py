"""Endpoints of what happens to customers: deliveries, dead letters, replays, scans, and the progress of runs.

The routes take `ENDPOINTS`; other endpoints show the runs that they start in the same form."""

from service.web.ops.activity import dead_letters, deliveries, runs, scans
from service.web.ops.activity.runs import RUN_EXAMPLE, RunModel, to_run_model

ENDPOINTS = (*deliveries.ENDPOINTS, *dead_letters.ENDPOINTS, *runs.ENDPOINTS, *scans.ENDPOINTS)

__all__ = ["ENDPOINTS", "RUN_EXAMPLE", "RunModel", "to_run_model"]
